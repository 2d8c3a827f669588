/** Plays both sides of a relay without sockets: what happened in, what was written out. */
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { type Interceptor, NO_INTERCEPTOR } from '../../src/relay/interception.js'
import { Relay, type RelayOptions } from '../../src/relay/relay.js'
import type { RelayEffect, RelayInput } from '../../src/relay/relay-input.js'
import type { SpoolOptions } from '../../src/relay/spool.js'
import type { SessionRules } from '../../src/rules/verdict.js'
import {
  type Attention,
  NO_ATTENTION,
  type Side,
  type TlsFacts,
  type TraceContent,
  type TraceEvent,
} from '../../src/trace/event.js'

export const TLS_FACTS: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  resumed: false,
  serverName: null,
  alpn: null,
  certificate: null,
}

export interface ConversationOptions {
  readonly client?: 'plain' | 'stls' | 'tls'
  readonly server?: 'plain' | 'stls' | 'tls'
  readonly offersStls?: boolean
  readonly limits?: Partial<Limits>
  readonly multiLineVerbs?: readonly string[]
  readonly showsUserNames?: boolean
  readonly attention?: Attention
  readonly interceptor?: Interceptor
  readonly rules?: SessionRules
  readonly keepsClientAlive?: boolean
  readonly spool?: Pick<SpoolOptions, 'room' | 'abridger'>
}

/** One session in the hands of a test. Time stands still unless the test moves it. */
export class Conversation {
  readonly relay: Relay
  readonly traces: TraceEvent[] = []
  readonly effects: RelayEffect[] = []
  /** Files of the session that it has not dropped, by number. */
  readonly files = new Map<number, Buffer>()
  /** How many there have been. */
  spooled = 0
  now = 1_000_000
  #toClient: Buffer[] = []
  #toServer: Buffer[] = []

  constructor(options: ConversationOptions = {}) {
    const relayOptions: RelayOptions = {
      sessionId: 's1',
      service: 'test',
      listener: 'pop3://127.0.0.1:1110',
      client: '127.0.0.1:50000',
      server: 'pop3s://pop.example.org:995',
      clientLeg: { security: options.client ?? 'plain', offersStls: options.offersStls ?? true },
      serverLeg: options.server ?? 'plain',
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      multiLineVerbs: new Set(options.multiLineVerbs ?? []),
      showsUserNames: options.showsUserNames ?? true,
      attention: options.attention ?? NO_ATTENTION,
      interceptor: options.interceptor ?? NO_INTERCEPTOR,
      rules: options.rules ?? null,
      keepsClientAlive: options.keepsClientAlive ?? true,
      spool: options.spool ?? null,
    }
    this.relay = new Relay(relayOptions)
  }

  /** Begins and brings the server up to its greeting, which is taken away. */
  static open(options: ConversationOptions = {}, greeting = '+OK ready\r\n'): Conversation {
    const conversation = new Conversation(options)
    conversation.feed({ type: 'accepted' })
    if (options.client === 'tls') conversation.tls('client')
    conversation.feed({ type: 'server-reached' })
    if (options.server === 'tls') conversation.tls('server')
    conversation.server(greeting)
    if (options.server === 'stls') {
      conversation.server('+OK begin\r\n')
      conversation.tls('server')
    }
    conversation.takeToClient()
    conversation.takeToServer()
    return conversation
  }

  /** Opens, logs in as `bob` in TRANSACTION, and forgets what was written. */
  static loggedIn(
    options: ConversationOptions = {},
    capabilities: readonly string[] = ['PIPELINING'],
  ): Conversation {
    const conversation = Conversation.open(options)
    conversation.client('CAPA\r\n')
    conversation.server(`+OK\r\n${capabilities.map((line) => `${line}\r\n`).join('')}.\r\n`)
    conversation.client('USER bob\r\n')
    conversation.server('+OK\r\n')
    conversation.client('PASS sesame-street\r\n')
    conversation.server('+OK logged in\r\n')
    conversation.takeToClient()
    conversation.takeToServer()
    return conversation
  }

  feed(input: RelayInput): readonly RelayEffect[] {
    const effects = this.relay.handle(input, this.now)
    for (const effect of effects) {
      this.effects.push(effect)
      if (effect.type === 'trace') this.traces.push(effect.event)
      if (effect.type === 'spool' && !this.files.has(effect.id)) this.spooled += 1
      if (effect.type === 'spool')
        this.files.set(
          effect.id,
          Buffer.concat([this.files.get(effect.id) ?? Buffer.alloc(0), effect.octets]),
        )
      if (effect.type === 'drop-spool') this.files.delete(effect.id)
      if (effect.type === 'write')
        (effect.side === 'client' ? this.#toClient : this.#toServer).push(effect.octets)
    }
    return effects
  }

  client(text: string | Buffer): void {
    this.feed({ type: 'octets', side: 'client', octets: octetsOf(text) })
  }

  server(text: string | Buffer): void {
    this.feed({ type: 'octets', side: 'server', octets: octetsOf(text) })
  }

  tls(side: Side): void {
    this.feed({ type: 'tls-established', side, tls: TLS_FACTS })
  }

  /** Moves time and lets deadlines act. */
  wait(milliseconds: number): void {
    this.now += milliseconds
    if (this.relay.isDue(this.now)) this.feed({ type: 'clock' })
  }

  /** What was written to the client since the last look, as Latin-1. */
  takeToClient(): string {
    const text = Buffer.concat(this.#toClient).toString('latin1')
    this.#toClient = []
    return text
  }

  /** What was written to the server since the last look, as Latin-1. */
  takeToServer(): string {
    const text = Buffer.concat(this.#toServer).toString('latin1')
    this.#toServer = []
    return text
  }

  /** What the sockets are to do beside writing, as `start-tls client`. */
  actions(): readonly string[] {
    return this.effects.flatMap((effect) => {
      if (effect.type === 'connect-server') return [effect.type]
      return 'side' in effect && effect.type !== 'write' ? [`${effect.type} ${effect.side}`] : []
    })
  }

  /** The contents of all traces of a type. */
  traced<Type extends TraceContent['type']>(type: Type): readonly Extract<TraceContent, { type: Type }>[] {
    return this.traces.map(({ content }) => content).filter((content) => isOfType(content, type))
  }

  anomalies(): readonly string[] {
    return this.traced('anomaly').map(({ anomaly }) => anomaly)
  }
}

function isOfType<Type extends TraceContent['type']>(
  content: TraceContent,
  type: Type,
): content is Extract<TraceContent, { type: Type }> {
  return content.type === type
}

function octetsOf(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : text
}
