/**
 * The proxy's end of the control socket: who may watch, what each is told and when. Owns the watchers and their
 * socket; what they are told and what they ask for is the host's. Watching never slows a session: what a watcher does
 * not take is dropped and counted, and telling takes at most a twentieth of the time.
 */
import { Buffer } from 'node:buffer'
import { createServer, type Server, type Socket } from 'node:net'
import type { TraceEvent } from '../trace/event.js'
import { encodeEvent } from '../trace/event-coding.js'
import type { Feed, Subscription } from '../trace/feed.js'
import { JsonLineReader } from '../trace/json-lines.js'
import { WATCHING_PACE } from '../trace/pace.js'
import type { RuleHitCounter } from '../trace/rule-hits.js'
import {
  decodeFromWatcher,
  encodeEvents,
  encodeMessage,
  MAXIMUM_FIRST_LINE_OCTETS,
  MAXIMUM_LINE_OCTETS,
  octetsOfMessage,
} from './coding.js'
import { LOG_RING_LINES, type LogRing, type LogRingPart } from './log-ring.js'
import { Outlet, type State } from './outlet.js'
import {
  type Breakpoint,
  type FromProxy,
  type FromWatcher,
  type HeldSummary,
  type ProcessFacts,
  WATCH_VERSION,
  type WatchedAddress,
  type WatchedRules,
} from './protocol.js'

/** Watchers at one time; each costs memory and a share of the telling. */
export const MAXIMUM_WATCHERS = 16
/** Lines of the log that are told in the long run; a screen of them at once is. Three a session, they cost as much as events. */
const LINES_PER_SECOND = 200
/** At most so often a watcher is told. */
const TELL_MS = 50
/** After telling took so long, so many times as long nothing is told. */
const REST_FACTOR = 20
const FACTS_MS = 1_000
/** How long a watcher may take to say what it wants. */
const FIRST_MESSAGE_MS = 5_000
/** Lines that are no message before a watcher is taken for none. */
const MISTAKES = 16
/** Octets of events that one message holds, more or less: a watcher can draw between two. */
const SLICE_CHARACTERS = 256 * 1024
/** Octets of `wire` told at once; what passes beyond in that time loses its content. */
const TOLD_OCTETS = 3 * 1024 * 1024

/** What a watcher can ask for, beside being told. */
export type WatchRequest = Exclude<FromWatcher, { type: 'watch' } | { type: 'fetch-held' }>

/** What is known of the time before a watcher came. */
export interface Snapshot {
  /** Events of each session, in order, in one or more pieces. */
  readonly events: Iterable<readonly TraceEvent[]>
  /** Events that were not kept. */
  readonly dropped: number
}

/** Measures the process; runs only while somebody watches. */
export interface FactsSampler {
  read(): ProcessFacts
  stop(): void
}

/** What is watched. */
export interface WatchHost {
  readonly feed: Feed
  readonly log: LogRing
  /** Name and version. */
  readonly program: string
  readonly startedAt: number
  readonly addresses: readonly WatchedAddress[]
  readonly breakpoints: readonly Breakpoint[]
  readonly held: readonly HeldSummary[]
  readonly rules: WatchedRules
  /** How often rules held since the start. */
  readonly ruleHits: Pick<RuleHitCounter, 'version' | 'counts'>
  snapshot(): Snapshot
  sampleFacts(): FactsSampler
  /** @returns octets of a held item that may be edited; null where there are none */
  heldOctets(hold: string): Buffer | null
  /** @returns why it was not done, in one line for a person; null where it was */
  perform(request: WatchRequest): Promise<string | null>
}

/** Serves watchers. */
export class WatchServer {
  readonly #host: WatchHost
  readonly #watchers = new Set<Watcher>()
  #server: Server | null = null
  #subscription: Subscription | null = null
  #sampler: FactsSampler | null = null
  #factsTimer: NodeJS.Timeout | null = null
  #tellTimer: NodeJS.Timeout | null = null
  #tellAfter = 0
  #logPosition = 0
  /** Of the rule hits that watchers were told last. */
  #hitsVersion = 0
  /** Lines of the log that may be told now, and when that was reckoned. */
  #linesLeft = LOG_RING_LINES
  #linesAt = 0

  constructor(host: WatchHost) {
    this.#host = host
  }

  /** Watchers that said what they want. */
  get watchers(): number {
    return [...this.#watchers].filter(({ isWatching }) => isWatching).length
  }

  /** Octets that wait for watchers that are slower than what happens; shared ones are counted for each. */
  get waitingOctets(): number {
    return [...this.#watchers].reduce((sum, { outlet }) => sum + outlet.waitingOctets, 0)
  }

  /**
   * Opens a Unix socket that its owner alone may use. The directory is the caller's to check.
   *
   * @throws the system's error where it cannot be opened
   */
  async listen(path: string): Promise<void> {
    const server = createServer((socket) => this.#accept(socket, false))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // The socket is made within listen, so nobody else can connect between its making and a chmod.
      const before = process.umask(0o177)
      try {
        server.listen(path, resolve)
      } finally {
        process.umask(before)
      }
    })
    server.removeAllListeners('error')
    server.on('error', () => {
      // One watcher less; the log has nothing to say about it that would help.
    })
    this.#server = server
  }

  /** Serves the proxy's own dashboard over a pipe that it inherited. It may end the proxy. */
  adopt(socket: Socket): void {
    this.#accept(socket, true)
  }

  /** Tells all watchers what changed. */
  changed(state: 'breakpoints' | 'held' | 'rules'): void {
    for (const watcher of this.#watchers) if (watcher.isWatching) watcher.outlet.mark(state)
  }

  /** Tells all watchers that the proxy is ending. */
  announceEnding(): void {
    const octets = octetsOfMessage({ type: 'ending' })
    for (const watcher of this.#watchers) if (watcher.isWatching) watcher.outlet.answer(octets)
  }

  /** Tells what waits and closes everything. A watcher that takes nothing is not waited for. */
  async close(): Promise<void> {
    this.#tell()
    const server = this.#server
    this.#server = null
    const closed = server === null ? null : new Promise((resolve) => server.close(resolve))
    for (const watcher of [...this.#watchers]) watcher.end()
    await closed
  }

  #accept(socket: Socket, isFace: boolean): void {
    const watcher = new Watcher(socket, isFace, {
      encodeState: (state) => this.#encodeState(state),
      received: (message) => this.#received(watcher, message),
      closed: () => this.#left(watcher),
    })
    this.#watchers.add(watcher)
    if (this.#watchers.size > MAXIMUM_WATCHERS)
      watcher.refuse(`${MAXIMUM_WATCHERS} watchers are attached already: close one`)
  }

  #received(watcher: Watcher, message: FromWatcher): void {
    if (message.type === 'watch') {
      if (watcher.isWatching) {
        watcher.wishes = message
        this.#attend()
      } else if (message.version !== WATCH_VERSION)
        watcher.refuse(
          `this is ${this.#host.program}, which speaks version ${WATCH_VERSION} of the watch protocol and the watcher version ${message.version}: use the same postern on both sides`,
        )
      else this.#begin(watcher, message)
      return
    }
    if (!watcher.isWatching) {
      watcher.refuse('expected {"type":"watch",...} first')
      return
    }
    if (message.type === 'fetch-held') {
      const octets = this.#host.heldOctets(message.hold)
      if (octets === null) watcher.done(message.id, 'it is held no longer, or holds a credential')
      else watcher.outlet.answer(octetsOfMessage({ type: 'held-octets', id: message.id, octets }))
      return
    }
    if (message.type === 'end-proxy' && !watcher.isFace) {
      watcher.done(message.id, 'only the dashboard that postern opened itself may end it')
      return
    }
    this.#host.perform(message).then(
      (problem) => watcher.done(message.id, problem),
      (error) => watcher.done(message.id, error instanceof Error ? error.message : String(error)),
    )
  }

  #begin(watcher: Watcher, wishes: Extract<FromWatcher, { type: 'watch' }>): void {
    // What waits goes to the others only: this one gets it with the snapshot.
    this.#tell()
    watcher.wishes = wishes
    const host = this.#host
    const hello: FromProxy = {
      type: 'hello',
      version: WATCH_VERSION,
      program: host.program,
      pid: process.pid,
      startedAt: host.startedAt,
      addresses: host.addresses,
      isFace: watcher.isFace,
    }
    watcher.outlet.answer(octetsOfMessage(hello))
    watcher.outlet.begin(this.#slicesOf(host.snapshot(), wishes.log ? host.log.since(0) : null))
    watcher.outlet.mark('breakpoints')
    watcher.outlet.mark('held')
    watcher.outlet.mark('rules')
    if (host.ruleHits.version > 0) watcher.outlet.mark('rule-hits')
    this.#attend()
  }

  *#slicesOf(
    { events, dropped }: Snapshot,
    log: { readonly lines: readonly string[]; readonly dropped: number } | null,
  ): Generator<Buffer, void, void> {
    if (log !== null) yield octetsOfMessage({ type: 'log', ...log })
    let texts: string[] = []
    let characters = 0
    for (const piece of events) {
      for (const event of piece) {
        const text = encodeEvent(event)
        texts.push(text)
        characters += text.length
        if (characters < SLICE_CHARACTERS) continue
        yield Buffer.from(encodeEvents(texts, 0))
        texts = []
        characters = 0
      }
    }
    if (texts.length > 0 || dropped > 0) yield Buffer.from(encodeEvents(texts, dropped))
    yield octetsOfMessage({ type: 'snapshot-end' })
  }

  #left(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    this.#attend()
  }

  /** Subscribes and measures only while somebody watches, and asks for no more mail than one of them wants. */
  #attend(): void {
    const wishes = [...this.#watchers].map(({ wishes }) => wishes).filter((each) => each !== null)
    if (wishes.length === 0) {
      this.#subscription?.cancel()
      this.#subscription = null
      this.#sampler?.stop()
      this.#sampler = null
      if (this.#factsTimer !== null) clearInterval(this.#factsTimer)
      this.#factsTimer = null
      if (this.#tellTimer !== null) clearTimeout(this.#tellTimer)
      this.#tellTimer = null
      this.#host.log.onLine = null
      return
    }
    const { feed, log } = this.#host
    if (this.#subscription === null) this.#logPosition = log.position
    this.#subscription ??= feed.subscribe(() => this.#schedule(), {
      octets: TOLD_OCTETS,
      pace: WATCHING_PACE,
    })
    this.#subscription.wantMessages(Math.max(...wishes.map(({ messageOctets }) => messageOctets)))
    log.onLine = wishes.some(({ log: wantsLog }) => wantsLog) ? () => this.#schedule() : null
    this.#sampler ??= this.#host.sampleFacts()
    this.#factsTimer ??= setInterval(() => this.#tellFacts(), FACTS_MS)
  }

  #tellFacts(): void {
    const { version } = this.#host.ruleHits
    const haveHit = version !== this.#hitsVersion
    this.#hitsVersion = version
    for (const { isWatching, outlet } of this.#watchers) {
      if (!isWatching) continue
      outlet.mark('process')
      if (haveHit) outlet.mark('rule-hits')
    }
  }

  #encodeState(state: State): Buffer {
    switch (state) {
      case 'breakpoints':
        return octetsOfMessage({ type: state, breakpoints: this.#host.breakpoints })
      case 'held':
        return octetsOfMessage({ type: state, items: this.#host.held })
      case 'rules':
        return octetsOfMessage({ type: state, ...this.#host.rules })
      case 'rule-hits':
        return octetsOfMessage({ type: state, hits: this.#host.ruleHits.counts })
      case 'process': {
        const sampler = this.#sampler
        return sampler === null ? Buffer.alloc(0) : octetsOfMessage({ type: state, facts: sampler.read() })
      }
    }
  }

  #schedule(): void {
    if (this.#tellTimer !== null || this.#subscription === null) return
    const wait = Math.max(TELL_MS, this.#tellAfter - performance.now())
    this.#tellTimer = setTimeout(() => this.#tell(), wait)
  }

  /** Writes down once what happened and hands the same octets to every watcher. */
  #tell(): void {
    if (this.#tellTimer !== null) clearTimeout(this.#tellTimer)
    this.#tellTimer = null
    if (this.#subscription === null) return
    const begun = performance.now()
    const { events, dropped } = this.#subscription.take()
    const watching = [...this.#watchers].filter(({ isWatching }) => isWatching)
    if (events.length > 0 || dropped > 0) this.#tellEvents(watching, events, dropped)
    const log = this.#newLines(begun)
    if (log.lines.length > 0 || log.dropped > 0) {
      const octets = octetsOfMessage({ type: 'log', ...log })
      for (const { outlet, wishes } of watching) {
        if (wishes?.log === true) outlet.offer({ octets, events: 0, lines: log.lines.length })
      }
    }
    const ended = performance.now()
    this.#tellAfter = ended + (ended - begun) * REST_FACTOR
  }

  /** Lines of the log since the last telling: the newest where there are more than a person can follow. */
  #newLines(now: number): LogRingPart {
    const { lines, dropped } = this.#host.log.since(this.#logPosition)
    this.#logPosition = this.#host.log.position
    const seconds = Math.max(0, now - this.#linesAt) / 1_000
    this.#linesAt = now
    this.#linesLeft = Math.min(LOG_RING_LINES, this.#linesLeft + seconds * LINES_PER_SECOND)
    const most = Math.floor(this.#linesLeft)
    const told = lines.length <= most ? lines : lines.slice(lines.length - most)
    this.#linesLeft -= told.length
    return { lines: told, dropped: dropped + lines.length - told.length }
  }

  #tellEvents(watching: readonly Watcher[], events: readonly TraceEvent[], dropped: number): void {
    const wantsMail = (watcher: Watcher): boolean => (watcher.wishes?.messageOctets ?? 0) > 0
    const all = watching.filter(wantsMail)
    const withoutMail = watching.filter((watcher) => !wantsMail(watcher))
    const encoded = events.map((event) => ({ text: encodeEvent(event), isMail: isMail(event) }))
    if (all.length > 0) {
      offerSlices(
        all,
        encoded.map(({ text }) => text),
        dropped,
      )
    }
    if (withoutMail.length > 0) {
      offerSlices(
        withoutMail,
        encoded.filter((each) => !each.isMail).map(({ text }) => text),
        dropped,
      )
    }
  }
}

function offerSlices(watchers: readonly Watcher[], texts: readonly string[], dropped: number): void {
  let start = 0
  let missed = dropped
  do {
    let end = start
    let characters = 0
    while (end < texts.length && characters < SLICE_CHARACTERS) {
      characters += texts[end]?.length ?? 0
      end += 1
    }
    const octets = Buffer.from(encodeEvents(texts.slice(start, end), missed))
    for (const { outlet } of watchers) outlet.offer({ octets, events: end - start + missed, lines: 0 })
    missed = 0
    start = end
  } while (start < texts.length)
}

function isMail({ content }: TraceEvent): boolean {
  return content.type === 'content' && (content.verb === 'RETR' || content.verb === 'TOP')
}

interface WatcherCallbacks {
  readonly encodeState: (state: State) => Buffer
  readonly received: (message: FromWatcher) => void
  readonly closed: () => void
}

/** One connection. */
class Watcher {
  readonly outlet: Outlet
  readonly isFace: boolean
  wishes: Extract<FromWatcher, { type: 'watch' }> | null = null
  readonly #socket: Socket
  readonly #lines = new JsonLineReader(MAXIMUM_FIRST_LINE_OCTETS)
  readonly #callbacks: WatcherCallbacks
  readonly #deadline: NodeJS.Timeout
  #mistakes = 0
  #isRefused = false

  constructor(socket: Socket, isFace: boolean, callbacks: WatcherCallbacks) {
    this.#socket = socket
    this.isFace = isFace
    this.#callbacks = callbacks
    this.outlet = new Outlet(socket, callbacks.encodeState)
    this.#deadline = setTimeout(() => this.#late(), FIRST_MESSAGE_MS)
    socket.on('data', (octets: Buffer) => this.#take(octets))
    socket.on('drain', () => socket.resume())
    socket.on('error', () => {
      // 'close' follows. A watcher that dies is no news.
    })
    socket.on('close', () => {
      clearTimeout(this.#deadline)
      callbacks.closed()
    })
  }

  get isWatching(): boolean {
    return this.wishes !== null
  }

  /** Answers a request. */
  done(id: string, problem: string | null): void {
    if (!this.#socket.destroyed) this.outlet.answer(octetsOfMessage({ type: 'done', id, problem }))
  }

  /** Says why and closes. */
  refuse(problem: string): void {
    if (this.#isRefused) return
    this.#isRefused = true
    this.#socket.end(encodeMessage({ type: 'done', id: '', problem }), () => this.#socket.destroy())
  }

  /** Closes behind what the system takes at once. */
  end(): void {
    this.outlet.flush()
    this.#isRefused = true
    this.#socket.end()
    setTimeout(() => this.#socket.destroy(), 200)
  }

  #late(): void {
    if (!this.isWatching) this.refuse('expected {"type":"watch",...} within five seconds')
  }

  #take(octets: Buffer): void {
    for (const line of this.#lines.push(octets)) {
      if (this.#isRefused) return
      const message = line.type === 'value' ? decodeFromWatcher(line.value) : null
      if (message === null) this.#misunderstood(line.type === 'value' ? idOf(line.value) : '')
      else {
        this.#callbacks.received(message)
        if (this.isWatching) this.#lines.maximum = MAXIMUM_LINE_OCTETS
      }
    }
    if (this.#lines.isTooLong && !this.isWatching) this.refuse('expected {"type":"watch",...} first')
    // Who takes no answers asks no more questions.
    if (!this.outlet.isCaughtUp) this.#socket.pause()
  }

  #misunderstood(id: string): void {
    this.#mistakes += 1
    if (!this.isWatching || this.#mistakes > MISTAKES) this.refuse('expected messages of the watch protocol')
    else this.done(id, 'this postern does not understand the request')
  }
}

function idOf(value: unknown): string {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : ''
  return typeof id === 'string' ? id.slice(0, 128) : ''
}
