/**
 * Posts a message to a judge that speaks HTTP, and reads JSON of bounded size. Owns what can go wrong on that way;
 * knows nothing of what the JSON means.
 */
import { exactPieces } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'
import { connectionTrouble, quoted, type Trouble } from './adapter.js'
import { readingTrouble } from './write-pieces.js'

/** One request. */
export interface Post {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly message: MessageSource
  /** Octets of the largest answer; a larger one is a trouble. */
  readonly mostOctets: number
}

/**
 * Posts the message and parses the answer.
 *
 * @param signal ends the request and its connection
 * @returns the parsed JSON of an answer with status 2xx, or the trouble; never rejects
 */
export async function postForJson(
  post: Post,
  signal: AbortSignal,
): Promise<{ readonly json: unknown } | Trouble> {
  const { address, credentials } = withoutCredentials(post.url)
  const body = bodyOf(post.message)
  let text: string
  try {
    const response = await fetch(address, {
      method: 'POST',
      ...body.request,
      signal,
      // A message is private: it goes where the rule file says, and nowhere else.
      redirect: 'manual',
      // A connection that was kept may be closed by the judge at the moment in which the next question goes out, which
      // `fetch` cannot repeat: each question has one of its own.
      headers: { ...credentials, ...post.headers, ...body.headers, connection: 'close' },
    })
    const read = await readBounded(response, post.mostOctets)
    if (read === null) return { trouble: `gave an answer of more than ${post.mostOctets} octets` }
    text = read
    if (!response.ok) return { trouble: statusTrouble(response, text) }
  } catch (error) {
    const unreadable = body.trouble()
    if (unreadable !== null) return unreadable
    // `fetch failed` says nothing; its cause does.
    return connectionTrouble(error instanceof Error && error.cause instanceof Error ? error.cause : error)
  } finally {
    body.close()
  }
  try {
    return { json: JSON.parse(text) }
  } catch {
    return {
      trouble: text === '' ? 'gave an empty answer' : `gave an answer that is no JSON: ${quoted(text)}`,
    }
  }
}

/** What is posted, with all that `fetch` wants for it. */
interface Body {
  readonly request: Pick<RequestInit, 'body' | 'duplex'>
  readonly headers: Readonly<Record<string, string>>
  /** Why the message could not be read; null where nothing was wrong with it. */
  trouble(): Trouble | null
  /** Reads the message no further, whether all of it was posted or not. */
  close(): void
}

function bodyOf(message: MessageSource): Body {
  if (message.inMemory !== null) {
    return { request: { body: message.inMemory }, headers: {}, trouble: () => null, close: () => {} }
  }
  let trouble: Trouble | null = null
  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      yield* exactPieces(message)
    } catch (error) {
      trouble = readingTrouble(error)
      throw error
    }
  }
  const body = pieces()
  return {
    request: { body, duplex: 'half' },
    // Told beforehand, so that no judge has to take a body of unknown length: `fetch` would send it in chunks.
    headers: { 'content-length': String(message.octets) },
    trouble: () => trouble,
    close() {
      // One that is being read is closed behind its next piece, which nobody waits for.
      body.return(undefined).catch(() => {})
    },
  }
}

/** Where a judge is, for a person: without user, password and query, which may be secrets. */
export function urlText(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/** Text as a header takes it: octets of UTF-8, one character each. */
export function headerText(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** `fetch` refuses a URL with user and password in it. RFC 7617 §2. */
function withoutCredentials(url: URL): { address: URL; credentials: Record<string, string> } {
  if (url.username === '' && url.password === '') return { address: url, credentials: {} }
  const address = new URL(url)
  address.username = ''
  address.password = ''
  const pair = `${decoded(url.username)}:${decoded(url.password)}`
  return { address, credentials: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

async function readBounded(response: Response, mostOctets: number): Promise<string | null> {
  const pieces: Uint8Array[] = []
  let octets = 0
  if (response.body === null) return ''
  // Leaving the loop early cancels the body, and with it the connection.
  for await (const piece of response.body) {
    octets += piece.length
    if (octets > mostOctets) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function statusTrouble(response: Response, text: string): string {
  const status = `${response.status} ${response.statusText}`.trim()
  if (response.status === 401 || response.status === 403) {
    return `refused the question with ${quoted(status)}: does it want a password, or another one?`
  }
  if (response.status >= 300 && response.status < 400) {
    return `points elsewhere with ${quoted(status)}: name the right address in the rule file`
  }
  return `could not judge the message: it answered ${quoted(status)}${text === '' ? '' : `, ${quoted(text)}`}`
}
