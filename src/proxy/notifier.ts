/**
 * Webhooks: tells other programs what rules found, by a POST of JSON. Owns the queue, its bounds and what is tried
 * again. Nobody ever waits for it: what cannot be told in time is dropped and counted. A URL may hold a secret, as
 * those of chat services do, so that the log names the host alone.
 */
import type { Logger } from 'pino'
import { safeText } from '../trace/safe-text.js'

/** What is told. Texts are harmless; null for what is not known. */
export interface Notification {
  /** Where to; `http://USER:PASSWORD@HOST/` logs in (RFC 7617). */
  readonly url: string
  readonly rule: string
  /** Why the rule holds, empty for nothing to say. */
  readonly reason: string
  readonly service: string
  readonly session: string
  /** Address and port of the client. */
  readonly client: string
  readonly user: string | null
  readonly uniqueId: string | null
  readonly from: string | null
  readonly subject: string | null
  /** Octets of the message. */
  readonly size: number | null
  /** When, in milliseconds since the epoch. */
  readonly at: number
}

/** Bounds of a notifier. */
export interface NotifierLimits {
  /** Notifications that wait, those under way included. */
  readonly waiting: number
  /** The same for one host, so that a dead one does not take the places of others. */
  readonly waitingForHost: number
  /** Milliseconds until a host has answered. */
  readonly timeoutMs: number
  /** Milliseconds before each further attempt; as many attempts as there are numbers follow the first. */
  readonly retryAfterMs: readonly number[]
  /** Characters of one text. */
  readonly textCharacters: number
}

/** The defaults. */
export const NOTIFIER_LIMITS: NotifierLimits = {
  // Some 2 KB each. A rule that holds for every message of a first poll of 10,000 is a flood for any chat.
  waiting: 1_000,
  waitingForHost: 250,
  timeoutMs: 10_000,
  // A restart of a service takes some seconds; what is down for longer gets its news from the log.
  retryAfterMs: [1_000, 5_000],
  textCharacters: 500,
}

/** What became of notifications since the start. */
export interface NotifierCounts {
  readonly delivered: number
  /** Given up after all attempts, or refused by the host. */
  readonly failed: number
  /** Never tried: there was no room. */
  readonly dropped: number
  /** Not decided yet. */
  readonly waiting: number
}

/** Whether one attempt has done it, and whether another one may. */
type Attempt =
  | { readonly type: 'delivered' }
  | { readonly type: 'failed'; readonly text: string; readonly mayTryAgain: boolean }
  | { readonly type: 'closed' }

/** A notification in its queue. */
interface Waiting {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly rule: string
}

/** Tells webhooks, one after the other at each host. */
export class Notifier {
  readonly #log: Logger
  readonly #limits: NotifierLimits
  readonly #closing = new AbortController()
  /** By host; one that is here is being served. */
  readonly #queues = new Map<string, Waiting[]>()
  /** Under way. */
  readonly #attempts = new Set<AbortController>()
  #waiting = 0
  #delivered = 0
  #failed = 0
  #dropped = 0
  /** Said once until there is nothing to tell any more. */
  #hasSaidFull = false

  constructor(log: Logger, limits: NotifierLimits = NOTIFIER_LIMITS) {
    this.#log = log
    this.#limits = limits
  }

  get counts(): NotifierCounts {
    return {
      delivered: this.#delivered,
      failed: this.#failed,
      dropped: this.#dropped,
      waiting: this.#waiting,
    }
  }

  /** Puts a notification into the queue, or drops it where there is no room. Never throws, never waits. */
  notify(notification: Notification): void {
    if (this.#closing.signal.aborted) {
      this.#dropped += 1
      return
    }
    const target = targetOf(notification.url)
    if (target === null) {
      this.#giveUp(notification.rule, 'a URL that is none', 'webhooks begin with http:// or https://')
      return
    }
    const queue = this.#queues.get(target.host) ?? []
    if (this.#waiting >= this.#limits.waiting || queue.length >= this.#limits.waitingForHost) {
      this.#drop(notification.rule, target.host)
      return
    }
    queue.push({
      url: target.url,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'postern',
        ...(target.authorization === null ? {} : { authorization: target.authorization }),
      },
      body: bodyOf(notification, this.#limits.textCharacters),
      rule: notification.rule,
    })
    this.#waiting += 1
    if (this.#queues.has(target.host)) return
    this.#queues.set(target.host, queue)
    void this.#serve(target.host, queue)
  }

  /** Ends everything: what is under way is broken off, what waits is not told any more. */
  close(): void {
    if (this.#closing.signal.aborted) return
    if (this.#waiting > 0) this.#log.warn({ event: 'notifications-left', count: this.#waiting })
    this.#dropped += this.#waiting
    this.#waiting = 0
    this.#queues.clear()
    this.#closing.abort()
    for (const attempt of this.#attempts) attempt.abort()
  }

  /** Never rejects. The first of the queue stays in it until it is decided, so that it counts. */
  async #serve(host: string, queue: Waiting[]): Promise<void> {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const attempt = await this.#deliver(next)
      if (attempt.type === 'closed') return
      queue.shift()
      this.#waiting -= 1
      if (attempt.type === 'delivered') this.#delivered += 1
      else this.#giveUp(next.rule, host, attempt.text)
    }
    this.#queues.delete(host)
    if (this.#waiting === 0) this.#hasSaidFull = false
  }

  async #deliver(notification: Waiting): Promise<Attempt> {
    let attempt = await this.#attempt(notification)
    for (const afterMs of this.#limits.retryAfterMs) {
      if (attempt.type !== 'failed' || !attempt.mayTryAgain) return attempt
      if (!(await this.#pause(afterMs))) return { type: 'closed' }
      attempt = await this.#attempt(notification)
    }
    return attempt
  }

  async #attempt({ url, headers, body }: Waiting): Promise<Attempt> {
    // Not AbortSignal.any: in Node 20 the signal that lives as long as the process remembers each that it was joined with.
    const attempt = new AbortController()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      attempt.abort()
    }, this.#limits.timeoutMs).unref()
    this.#attempts.add(attempt)
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        // Somebody else's word must not send what was found in mail to another place.
        redirect: 'manual',
        signal: attempt.signal,
      })
      // What it says beside its status is of no use, and may be endless.
      await response.body?.cancel().catch(() => {})
      return judged(response.status)
    } catch (error) {
      if (this.#closing.signal.aborted) return { type: 'closed' }
      const text = isLate ? `no answer within ${this.#limits.timeoutMs} ms` : wordsOf(error)
      return { type: 'failed', text, mayTryAgain: true }
    } finally {
      clearTimeout(timer)
      this.#attempts.delete(attempt)
    }
  }

  /** @returns false where it was cut short by the end of everything */
  async #pause(milliseconds: number): Promise<boolean> {
    const { signal } = this.#closing
    if (signal.aborted) return false
    return await new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve(!signal.aborted)
      }
      const timer = setTimeout(end, milliseconds).unref()
      signal.addEventListener('abort', end)
    })
  }

  #giveUp(rule: string, host: string, text: string): void {
    this.#failed += 1
    this.#log.warn({ event: 'notification-failed', rule, host, text })
  }

  #drop(rule: string, host: string): void {
    this.#dropped += 1
    if (this.#hasSaidFull) return
    this.#hasSaidFull = true
    this.#log.warn({
      event: 'notifications-dropped',
      rule,
      host,
      waiting: this.#waiting,
      text: 'webhooks are slower than rules have news: what comes now is not told, until all that waits is',
    })
  }
}

/** RFC 9110 §15: what is worth another try says so by its class, or is a matter of time (408, 425, 429). */
function judged(status: number): Attempt {
  if (status >= 200 && status < 300) return { type: 'delivered' }
  const isRedirect = status === 0 || (status >= 300 && status < 400)
  const text = isRedirect
    ? `answered with a redirect (${status}), which is not followed: name the place itself`
    : `answered with status ${status}`
  return {
    type: 'failed',
    text,
    mayTryAgain: status >= 500 || status === 408 || status === 425 || status === 429,
  }
}

interface Target {
  /** Without credentials, which fetch refuses. */
  readonly url: string
  readonly host: string
  readonly authorization: string | null
}

function targetOf(text: string): Target | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  const { username, password, host } = url
  url.username = ''
  url.password = ''
  const hasCredentials = username !== '' || password !== ''
  return { url: url.href, host, authorization: hasCredentials ? basic(username, password) : null }
}

/** RFC 7617 §2. */
function basic(username: string, password: string): string | null {
  try {
    const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(words, 'utf8').toString('base64')}`
  } catch {
    // Broken percent signs, RFC 3986 §2.1.
    return null
  }
}

function bodyOf(notification: Notification, characters: number): string {
  const short = (text: string | null): string | null => (text === null ? null : safeText(text, characters))
  const { rule, reason, service, session, client, user, uniqueId, from, subject, size, at } = notification
  return JSON.stringify({
    postern: 'notification',
    version: 1,
    at: Number.isFinite(at) && Math.abs(at) <= MOST_DATE ? new Date(at).toISOString() : null,
    rule: short(rule),
    reason: short(reason),
    service: short(service),
    session: short(session),
    client: short(client),
    user: short(user),
    uniqueId: short(uniqueId),
    from: short(from),
    subject: short(subject),
    size,
  })
}

/** The last moment that a Date can say. */
const MOST_DATE = 8_640_000_000_000_000

/** What fetch says is "fetch failed"; why is below it. */
function wordsOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : null
  const text = cause.message === '' ? (code ?? cause.name) : cause.message
  return safeText(text, 200)
}
