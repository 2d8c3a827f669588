/**
 * The relay as a fuzz target: an input plays client, server, network and time against one session. Owns the way an
 * input is read, an edge that keeps its rules, and what is promised of the relay whatever the sides do.
 */
import { isDeepStrictEqual } from 'node:util'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { NO_INTERCEPTOR } from '../../src/relay/interception.js'
import { Relay } from '../../src/relay/relay.js'
import type { RelayEffect, RelayInput } from '../../src/relay/relay-input.js'
import { NO_ATTENTION, type Side, type TraceContent } from '../../src/trace/event.js'
import { recordingLine } from '../../src/trace/recording.js'
import { TestBreakpoint } from '../support/breakpoint.js'
import { CANARY, CANARY_BASE64 } from '../support/canary.js'
import { TLS_FACTS } from '../support/conversation.js'
import { cut, randomFrom } from '../support/every-split.js'
import { demand, type FuzzTarget } from './target.js'

const SECURITY = ['plain', 'stls', 'tls'] as const
const HEADER = 3
/** An octet that UTF-8 never has is no octet of a dialogue here but says what happens next. */
const MARKS = {
  client: 0xf5,
  server: 0xf6,
  ready: 0xf7,
  secured: 0xf8,
  end: 0xf9,
  closed: 0xfa,
  wait: 0xfb,
  longWait: 0xfc,
  drain: 0xfd,
  failed: 0xfe,
} as const
const FIRST_MARK = 0xf5
const WAIT_MS = 9_000
const LONG_WAIT_MS = 700_000

// Far from 2,048 octets of input, so that where a run is cut cannot decide when a command is decoded.
const WIDE: Limits = { ...DEFAULT_LIMITS, pendingCommands: 10_000 }
const NARROW: Limits = {
  ...DEFAULT_LIMITS,
  commandLineOctets: 24,
  saslLineOctets: 48,
  statusLineOctets: 32,
  capabilityOctets: 64,
  pendingCommands: 3,
  pipelinedCommands: 2,
  errorsBeforeLogin: 2,
  socketBufferOctets: 16,
}

type Step =
  | { readonly type: 'octets'; readonly side: Side; readonly octets: Buffer }
  | { readonly type: Exclude<keyof typeof MARKS, 'client' | 'server'>; readonly side: Side }

interface Script {
  readonly client: (typeof SECURITY)[number]
  readonly server: (typeof SECURITY)[number]
  readonly offersStls: boolean
  readonly showsUserNames: boolean
  readonly limits: Limits
  readonly splitSeed: number
  /** Somebody watches, holds every reply, and lets it go at once. */
  readonly isWatched: boolean
  readonly steps: readonly Step[]
}

function scriptOf(input: Buffer): Script {
  const [legs = 0, flags = 0, splitSeed = 0] = input
  const steps: Step[] = []
  let side: Side = 'client'
  let from = HEADER
  for (let at = HEADER; at <= input.length; at += 1) {
    const octet = input[at]
    if (octet !== undefined && markOf(octet) === null) continue
    if (at > from) steps.push({ type: 'octets', side, octets: Buffer.from(input.subarray(from, at)) })
    from = at + 1
    const mark = octet === undefined ? null : markOf(octet)
    if (mark === 'client' || mark === 'server') side = mark
    else if (mark !== null) steps.push({ type: mark, side })
  }
  return {
    client: SECURITY[legs % 3] ?? 'plain',
    server: SECURITY[Math.floor(legs / 3) % 3] ?? 'plain',
    offersStls: (flags & 1) === 0,
    showsUserNames: (flags & 2) === 0,
    limits: (flags & 4) === 0 ? WIDE : NARROW,
    splitSeed,
    isWatched: (flags & 8) !== 0,
    steps,
  }
}

function markOf(octet: number): keyof typeof MARKS | null {
  if (octet < FIRST_MARK) return null
  const names: readonly string[] = Object.keys(MARKS)
  const name = names[octet - FIRST_MARK]
  return name !== undefined && name in MARKS ? (name as keyof typeof MARKS) : null
}

/** An edge without sockets: it reads a side only where it may, and checks each effect as it comes. */
class Edge {
  readonly relay: Relay
  readonly contents: TraceContent[] = []
  readonly sent: Record<Side, Buffer[]> = { client: [], server: [] }
  readonly taken: Record<Side, Buffer[]> = { client: [], server: [] }
  recording = ''
  clientBrokeOff = false
  readonly #script: Script
  readonly #unread: Record<Side, Buffer[]> = { client: [], server: [] }
  readonly #isOver: Record<Side, boolean> = { client: false, server: false }
  readonly #awaitsTls: Record<Side, boolean> = { client: false, server: false }
  /** Pieces taken from the client before it had TLS. */
  #inClear = 0
  #serverWas: 'absent' | 'asked' | 'reached' = 'absent'
  #now = 1_000_000
  readonly #held: string[] = []

  constructor(script: Script) {
    this.#script = script
    this.relay = new Relay({
      sessionId: 's',
      service: 'fuzz',
      listener: 'pop3://127.0.0.1:1110',
      client: '127.0.0.1:50000',
      server: 'pop3://127.0.0.1:110',
      clientLeg: { security: script.client, offersStls: script.offersStls },
      serverLeg: script.server,
      limits: script.limits,
      multiLineVerbs: new Set(['XFOO']),
      showsUserNames: script.showsUserNames,
      attention: script.isWatched ? { isWatched: true, messageOctets: 0 } : NO_ATTENTION,
      interceptor: script.isWatched ? new TestBreakpoint(['reply']) : NO_INTERCEPTOR,
      rules: null,
      keepsClientAlive: true,
      spool: null,
    })
    this.#feed({ type: 'accepted' })
  }

  get #hasSentStls(): boolean {
    return this.#script.server === 'stls' && this.sent.server.length > 0
  }

  play(step: Step): void {
    const { side } = step
    switch (step.type) {
      case 'octets':
        this.#unread[side].push(step.octets)
        break
      case 'ready':
        if (this.#serverWas !== 'asked') break
        this.#serverWas = 'reached'
        this.#awaitsTls.server = this.#script.server === 'tls'
        this.#feed({ type: 'server-reached' })
        break
      case 'secured':
        if (!this.#awaitsTls[side]) break
        this.#awaitsTls[side] = false
        if (side === 'client') this.#inClear = this.taken.client.length
        this.#feed({ type: 'tls-established', side, tls: TLS_FACTS })
        break
      case 'end':
      case 'closed':
        if (this.#isThere(side)) this.#feed({ type: step.type, side })
        break
      case 'failed': {
        const failure = {
          code: 'POSTERN_WRITE_STALLED',
          isPermanent: false,
          text: 'failed',
          hint: null,
        } as const
        this.#feed({ type: 'failed', side, failure })
        break
      }
      case 'wait':
      case 'longWait':
        this.#now += step.type === 'wait' ? WAIT_MS : LONG_WAIT_MS
        if (!this.relay.isDue(this.#now)) break
        this.#feed({ type: 'clock' })
        demand(this.relay.isClosed, 'a deadline that has passed ends the session', () => this.recording)
        break
      case 'drain':
        this.#feed({ type: 'drain' })
        break
    }
    this.#read()
  }

  /** Lines of the client. TLS begins a new one: what is cut off before it is never the beginning of what follows. */
  lines(): readonly string[] {
    const before = Buffer.concat(this.taken.client.slice(0, this.#inClear)).toString('latin1')
    const within = Buffer.concat(this.taken.client.slice(this.#inClear)).toString('latin1')
    return [...linesOf(before), ...linesOf(within)]
  }

  /** All that was written to a side, Latin-1. */
  written(side: Side): string {
    return Buffer.concat(this.sent[side]).toString('latin1')
  }

  #isThere(side: Side): boolean {
    return side === 'client' || this.#serverWas === 'reached'
  }

  /** In clear, a side can also be read between STLS and the handshake; within POP3S' handshake it cannot. */
  #mayRead(side: Side): boolean {
    const speaksTlsFirst = this.#script[side] === 'tls' && this.#awaitsTls[side]
    return this.#isThere(side) && !speaksTlsFirst && this.relay.wantsOctets(side)
  }

  #read(): void {
    for (let moved = true; moved; ) {
      moved = false
      for (const side of ['client', 'server'] as const) {
        if (!this.#mayRead(side)) continue
        const octets = this.#unread[side].shift()
        if (octets === undefined) continue
        moved = true
        this.taken[side].push(octets)
        this.#feed({ type: 'octets', side, octets })
      }
    }
  }

  #feed(input: RelayInput): void {
    const wasClosed = this.relay.isClosed
    const effects = this.relay.handle(input, this.#now)
    demand(!wasClosed || effects.length === 0, 'nothing after closed', () => JSON.stringify(effects))
    for (const effect of effects) this.#take(effect)
    for (let hold = this.#held.shift(); hold !== undefined; hold = this.#held.shift())
      this.#feed({ type: 'verdict', hold, answer: { type: 'release' } })
    const closed = this.contents.filter(({ type }) => type === 'session-closed').length
    demand(closed === (this.relay.isClosed ? 1 : 0), 'closed exactly once', () => this.recording)
    this.#demandBounds()
  }

  #take(effect: RelayEffect): void {
    const shown = (): string => `${effect.type}\n${this.recording}`
    switch (effect.type) {
      case 'trace':
        this.contents.push(effect.event.content)
        this.recording += recordingLine(effect.event)
        return
      case 'write':
        demand(!this.#isOver[effect.side], 'nothing is written to a side that was ended', shown)
        demand(!this.#awaitsTls[effect.side], 'nothing is written in clear once TLS was asked for', shown)
        demand(this.#isThere(effect.side), 'nothing is written to a server that is not there', shown)
        this.sent[effect.side].push(effect.octets)
        return
      case 'hold':
        this.#held.push(effect.item.hold)
        return
      case 'unhold':
        this.#held.splice(0, this.#held.length, ...this.#held.filter((hold) => hold !== effect.hold))
        return
      case 'verdict-answered':
        demand(effect.problem === null, 'what is held can be released', shown)
        return
      case 'send-answered':
        demand(false, 'nobody sends a command of their own here', shown)
        return
      case 'connect-server':
        demand(this.#serverWas === 'absent', 'the server is connected once', shown)
        this.#serverWas = 'asked'
        return
      case 'start-tls':
        demand(!this.#isOver[effect.side] && !this.#awaitsTls[effect.side], 'TLS is asked for once', shown)
        this.#awaitsTls[effect.side] = true
        return
      case 'end':
      case 'destroy':
        demand(!this.#isOver[effect.side], 'a side is ended once', shown)
        this.#isOver[effect.side] = true
        if (effect.side === 'client') this.clientBrokeOff = effect.type === 'destroy'
        return
    }
  }

  /** What waits in the relay is what went in less what became of it. */
  #demandBounds(): void {
    if (this.relay.isClosed) return
    const { limits } = this.#script
    let decoded = 0
    let waiting = 0
    let atServer = linesOf(this.written('server')).length - (this.#hasSentStls ? 1 : 0)
    let mayPipeline = /pipelining/i.test(Buffer.concat(this.taken.server).toString('latin1'))
    for (const content of this.contents) {
      if (content.type === 'command' || content.type === 'sasl-response') decoded += content.octets
      if (content.type === 'anomaly' && content.anomaly === 'clear-text-after-stls')
        decoded += content.octets ?? 0
      if (content.type === 'command') waiting += 1
      if (content.type === 'reply') waiting -= 1
      if (content.type === 'sasl-response') atServer -= 1
      // Only the refusal of CAPA is covered by an answer of postern's.
      if (content.type === 'reply' && (content.source === 'server' || content.verb === 'CAPA')) atServer -= 1
      if (content.type === 'unsolicited') mayPipeline = true
    }
    const newest = this.taken.client.at(-1)?.length ?? 0
    const most = Math.max(limits.socketBufferOctets, limits.commandLineOctets, limits.saslLineOctets)
    const undecoded = octetsOf(this.taken.client) - decoded
    demand(undecoded >= 0, 'no octet is decoded twice', () => this.recording)
    demand(undecoded < most + newest, 'undecoded octets stay below the limit', () => `${undecoded} octets`)
    const mostAtServer = mayPipeline ? limits.pipelinedCommands : 1
    demand(
      atServer <= mostAtServer,
      'no more is sent ahead than the server takes',
      () => `${atServer}\n${this.recording}`,
    )
    demand(waiting <= limits.pendingCommands, 'commands that wait stay below the limit', () => `${waiting}`)
  }
}

function octetsOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

function play(script: Script): Edge {
  const edge = new Edge(script)
  for (const step of script.steps) edge.play(step)
  return edge
}

function demandCounts(edge: Edge): void {
  const closed = edge.contents.find((content) => content.type === 'session-closed')
  if (closed === undefined) return
  const counted = {
    fromClient: octetsOf(edge.taken.client),
    toClient: octetsOf(edge.sent.client),
    fromServer: octetsOf(edge.taken.server),
    toServer: octetsOf(edge.sent.server),
  }
  demand(
    isDeepStrictEqual(closed.octets, counted),
    'octets are counted as they passed',
    () => `${JSON.stringify(closed.octets)} for ${JSON.stringify(counted)}`,
  )
}

/** Whole lines of the client, in its order; none of them twice, none that came behind STLS in clear. */
function demandToServer(script: Script, edge: Edge): void {
  let sent = edge.written('server')
  if (script.server === 'stls' && sent.startsWith('STLS\r\n')) sent = sent.slice(6)
  const told = (): string =>
    JSON.stringify({ sent, client: Buffer.concat(edge.taken.client).toString('latin1') })
  const given = edge.lines()
  let position = 0
  for (const line of linesOf(sent)) {
    const found = given.indexOf(line, position)
    demand(found >= 0 && line.endsWith('\n'), 'the server gets lines of the client only', told)
    position = found + 1
  }
}

function linesOf(text: string): readonly string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== '')
}

/** Where postern says nothing itself, the client gets what the server sent, from its beginning. */
function demandToClient(script: Script, edge: Edge): void {
  const speaks = edge.contents.some(
    (content) =>
      content.type === 'failure' ||
      (content.type === 'command' && content.verb === 'CAPA') ||
      (content.type === 'reply' && content.source === 'postern'),
  )
  if (speaks) return
  const lines = linesOf(Buffer.concat(edge.taken.server).toString('latin1'))
  const [greeting = '', ...behind] = lines
  const isUpgraded = script.server === 'stls' && edge.written('server').startsWith('STLS\r\n')
  const expected = isUpgraded ? [greeting, ...behind.slice(1)].join('') : lines.join('')
  demand(expected.startsWith(edge.written('client')), 'the client gets what the server sent', () =>
    JSON.stringify({ expected, got: edge.written('client') }),
  )
}

/** A message that was cut short never looks whole. */
function demandBreak(edge: Edge): void {
  if (!edge.relay.isClosed) return
  const replies = edge.contents.filter(({ type }) => type === 'reply' || type === 'content-end')
  const last = replies.at(-1)
  if (last?.type !== 'reply' || last.source !== 'server' || last.indicator !== '+OK') return
  if (!['RETR', 'TOP'].includes(last.verb)) return
  demand(edge.clientBrokeOff, 'a message cut short ends in a break', () => edge.recording)
}

const FORMS = [CANARY, CANARY_BASE64, Buffer.from(CANARY).toString('hex')].map((form) => form.toLowerCase())

/** User names are shown; what else the client says may be a credential, unless the server said it first. */
function demandNoSecret(script: Script, edge: Edge): void {
  const fromServer = Buffer.concat(edge.taken.server).toString('latin1').toLowerCase()
  if (FORMS.some((form) => fromServer.includes(form))) return
  const shown = edge.contents
    .map((content) => JSON.stringify(textsOf(script.showsUserNames ? withoutUserName(content) : content)))
    .join('\n')
    .toLowerCase()
  demand(!FORMS.some((form) => shown.includes(form)), 'no secret in any trace', () => shown)
}

/** With octets as text, since JSON would write them as numbers. */
function textsOf(content: TraceContent): object {
  return 'wire' in content ? { ...content, wire: content.wire?.toString('latin1') } : content
}

function withoutUserName(content: TraceContent): TraceContent {
  if ('user' in content) return { ...content, user: null }
  const isNaming = content.type === 'command' && (content.verb === 'USER' || content.verb === 'APOP')
  return isNaming ? { ...content, shown: '', wire: null } : content
}

/** The same octets in other pieces leave the same traces and the same octets on both sides. */
function demandAnySplit(script: Script, whole: Edge): void {
  // A small queue makes the edge stop reading at another octet. STLS toward the server judges by pieces: what
  // comes in one with the greeting came before STLS was sent.
  if (script.limits !== WIDE || script.server === 'stls') return
  const random = randomFrom(script.splitSeed)
  const chance = (1 + (script.splitSeed % 7)) / 7
  const steps = script.steps.flatMap((step): readonly Step[] => {
    if (step.type !== 'octets') return [step]
    const cuts = Array.from({ length: step.octets.length - 1 }, (_, index) => index + 1)
    return cut(
      step.octets,
      cuts.filter(() => random() < chance),
    ).map((octets) => ({ ...step, octets }))
  })
  const split = play({ ...script, steps })
  for (const side of ['client', 'server'] as const) {
    demand(
      split.written(side) === whole.written(side),
      'any split sends the same octets',
      () => `to the ${side}: ${JSON.stringify([whole.written(side), split.written(side)])}`,
    )
  }
  demand(
    isDeepStrictEqual(comparable(split.contents), comparable(whole.contents)),
    'any split leaves the same traces',
    () => `${whole.recording}\nin pieces\n${split.recording}`,
  )
}

/** What was discarded is told a piece at a time; its sum counts. A session that ends reads no further. */
function comparable(contents: readonly TraceContent[]): readonly unknown[] {
  let discarded = 0
  const others: unknown[] = []
  for (const content of contents) {
    if (content.type === 'anomaly' && content.anomaly === 'clear-text-after-stls') {
      discarded += content.octets ?? 0
    } else if (content.type === 'session-closed') {
      const { toClient, toServer } = content.octets
      others.push({ ...content, octets: { toClient, toServer } })
    } else others.push(content)
  }
  return [discarded, ...others]
}

/** Dialogues to begin from; `marked` writes the marks. */
const LOGIN =
  '{server}{ready}+OK ready <1@a>\r\n{client}USER bob\r\n{server}+OK\r\n{client}PASS x y\r\n{server}+OK in\r\n'
const DIALOGUES = [
  `${LOGIN}{client}STAT\r\nRETR 1\r\n{server}+OK 1 5\r\n+OK\r\nSubject: a\r\n\r\n..b\r\n.\r\n{client}QUIT\r\n{server}+OK\r\n`,
  `${LOGIN}{client}RETR 1\r\n{server}+OK\r\nSubject: a\r\n\r\nb{end}`,
  `${LOGIN}{client}RETR 1\r\nNOOP\r\n{server}+OK\r\na{drain}\r\n.\r\n+OK\r\n`,
  `${LOGIN}{client}LIST\r\nXFOO\r\nABCD\r\n{server}+OK\r\n1 5\r\n.\r\n+OK\r\nx\r\n.\r\nstray\r\n-ERR\r\n{longWait}`,
  `${LOGIN}{client}NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n{server}+OK\r\n+OK\r\n{client}{end}{server}+OK\r\n+OK\r\n+OK\r\n`,
  '{server}{ready}+OK\r\n{client}CAPA\r\n{server}+OK\r\nPIPELINING\r\nSTLS\r\nSASL PLAIN X-PLUS\r\n.\r\n{client}STLS\r\nUSER evil\r\n{secured}CAPA\r\n{server}+OK\r\n.\r\n',
  `{server}{ready}+OK\r\n{client}AUTH PLAIN\r\n{server}+ \r\n{client}${CANARY_BASE64}\r\n{server}-ERR no\r\n{client}AUTH LOGIN ${CANARY_BASE64}\r\n{server}+ UGE=\r\n{client}*\r\n{server}-ERR\r\n`,
  '{client}{secured}{server}{ready}{secured}+OK\r\n{client}USER bob\r\n{server}+OK begin\r\n{secured}+OK\r\n{client}PASS c4nary~hides\r\n{server}-ERR [AUTH] no\r\n',
  '{server}{ready}+OK\r\n+OK begin\r\n{secured}{client}CAPA\r\n{server}-ERR\r\n{failed}',
  '{server}{ready}* OK IMAP\r\n{wait}{wait}',
  '{server}{ready}+OK\r\n{client}GET / HTTP/1.1\r\nHost: a\r\nx\r\ny\r\n{server}-ERR\r\n-ERR\r\n-ERR\r\n{client}{closed}',
] as const

function marked(dialogue: string): Buffer {
  const text = dialogue.replace(/\{(\w+)\}/g, (_, name: string) =>
    String.fromCharCode(name in MARKS ? MARKS[name as keyof typeof MARKS] : 0),
  )
  return Buffer.from(text, 'latin1')
}

const SEEDS = DIALOGUES.flatMap((dialogue, index) => [
  Buffer.concat([Buffer.from([0, 0, 3]), marked(dialogue)]),
  Buffer.concat([Buffer.from([index, index, 13]), marked(dialogue)]),
  Buffer.concat([Buffer.from([index, 8 | (index & 7), 5]), marked(dialogue)]),
])

/** One session of a relay. */
export const RELAY_TARGET: FuzzTarget = {
  name: 'relay',
  seeds: SEEDS,
  covers: ['/src/relay/', '/src/pop3/'],
  run(input) {
    const script = scriptOf(input)
    const edge = play(script)
    demandCounts(edge)
    demandToServer(script, edge)
    demandToClient(script, edge)
    demandBreak(edge)
    demandNoSecret(script, edge)
    demandAnySplit(script, edge)
  },
}
