/** Writes a session down event by event, as short as a dialogue on paper; used by the tests of this folder. */
import { removeByteStuffing } from '../../src/pop3/encoder.js'
import type { SessionRecord } from '../../src/sessions/session-record.js'
import { SessionStore } from '../../src/sessions/store.js'
import type {
  ClosedReason,
  FailureCode,
  Origin,
  Side,
  TlsFacts,
  TraceContent,
  TraceEvent,
} from '../../src/trace/event.js'
import type { RuleHit } from '../../src/trace/rule-hits.js'

/** 2026-11-20 12:00:00 UTC. */
export const START = Date.UTC(2026, 10, 20, 12)

export const TLS: TlsFacts = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  resumed: false,
  serverName: 'pop.example.org',
  alpn: null,
  certificate: {
    subject: 'pop.example.org',
    issuer: 'Example CA',
    names: ['pop.example.org', 'mail.example.org'],
    notBefore: '2026-01-01T00:00:00.000Z',
    notAfter: '2027-01-01T00:00:00.000Z',
    fingerprint256: 'AB:CD',
  },
}

const STATUS = /^(\+OK|-ERR)(?: \[([^\]]+)\])? ?(.*)$/

/** A rule that holds for the message with number 1. */
export const HIT: RuleHit = {
  type: 'rule-hit',
  number: 0,
  message: 1,
  uniqueId: 'uid-one',
  rule: 'tag external',
  place: 'rules/a.yaml:4',
  actions: ['tag-subject "[EXT]"'],
  reason: 'from is external',
  mode: 'enforce',
}

export interface ReplyOptions {
  readonly source?: 'server' | 'postern'
  readonly afterMs?: number
  readonly number?: number
}

export class Script {
  readonly id: string
  readonly events: TraceEvent[] = []
  at: number
  number = 0
  readonly #verbs = new Map<number, string>()

  constructor(id = 's1', at = START) {
    this.id = id
    this.at = at
  }

  /** Any event, some milliseconds after the one before. */
  tell(content: TraceContent, waitMs = 1): this {
    this.at += waitMs
    this.events.push({ at: this.at, session: this.id, content })
    return this
  }

  opened({
    listener = 'pop3://127.0.0.1:1110',
    server = 'pop3s://pop.example.org:995',
    client = '10.0.0.5:51000',
  } = {}): this {
    return this.tell({ type: 'session-opened', service: 'mail', listener, client, server }, 0)
  }

  tls(side: Side, tls: TlsFacts = TLS): this {
    return this.tell({ type: 'tls-established', side, tls })
  }

  greeting(line = '+OK ready'): this {
    const [, indicator = '', , text = ''] = STATUS.exec(line) ?? []
    this.tell({ type: 'server-connected' })
    return this.tell({ type: 'greeting', indicator: indicator === '-ERR' ? '-ERR' : '+OK', text, afterMs: 2 })
  }

  command(shown: string, origin: Origin = 'client', verb = shown.split(' ')[0]?.toUpperCase() ?? ''): this {
    this.number += 1
    const { number } = this
    const octets = shown.length + 2
    this.#verbs.set(number, verb)
    return this.tell({ type: 'command', number, verb, shown, octets, origin, wire: null })
  }

  reply(line: string, { source = 'server', afterMs = 5, number = this.number }: ReplyOptions = {}): this {
    const [, indicator, responseCode = null, text = ''] = STATUS.exec(line) ?? []
    return this.tell(
      {
        type: 'reply',
        number,
        verb: this.#verbOf(number),
        source,
        indicator: indicator === '-ERR' ? '-ERR' : '+OK',
        responseCode,
        text,
        afterMs,
        wire: null,
      },
      afterMs,
    )
  }

  /** A piece of content, byte-stuffed. */
  piece(text: string, source: 'server' | 'postern' = 'server', number = this.number): this {
    const wire = Buffer.from(text, 'utf8')
    return this.tell({ type: 'content', number, verb: this.#verbOf(number), source, wire })
  }

  /** A rule holds. */
  hit(given: Partial<RuleHit> = {}): this {
    return this.tell({ ...HIT, ...given })
  }

  /** A hit about the command before it. */
  commandHit(given: Partial<RuleHit> = {}): this {
    return this.hit({ number: this.number, message: null, uniqueId: null, ...given })
  }

  end(octets: number, afterMs = 8, number = this.number): this {
    return this.tell({ type: 'content-end', number, verb: this.#verbOf(number), octets, afterMs })
  }

  /** A command with its reply, and what stands behind the status line where there is something. */
  exchange(shown: string, line = '+OK', content: string | null = null, options: ReplyOptions = {}): this {
    this.command(shown).reply(line, options)
    if (content === null) return this
    return this.piece(content).end(removeByteStuffing(Buffer.from(content, 'utf8')).length)
  }

  login(user = 'alice'): this {
    this.exchange(`USER ${user}`).exchange('PASS [redacted]')
    return this.tell({ type: 'logged-in', user, mechanism: 'USER' })
  }

  refused(line: string, mechanism = 'USER'): this {
    const [, , responseCode = null, text = ''] = STATUS.exec(line) ?? []
    this.exchange('USER alice').exchange('PASS [redacted]', line)
    return this.tell({ type: 'login-refused', user: 'alice', mechanism, responseCode, text })
  }

  failure(side: Side, code: FailureCode, text: string, hint: string | null = null): this {
    this.tell({ type: 'failure', side, failure: { code, isPermanent: true, text, hint } })
    return this.closed('failed', code)
  }

  quit(): this {
    return this.exchange('QUIT').closed('quit')
  }

  closed(reason: ClosedReason, code: FailureCode | null = null): this {
    return this.tell({
      type: 'session-closed',
      reason,
      code,
      user: null,
      state: 'TRANSACTION',
      commands: this.number,
      messages: this.events.filter(({ content: { type } }) => type === 'content-end').length,
      octets: { fromClient: 1, toClient: 2, fromServer: 3, toServer: 4 },
      durationMs: this.at - START,
    })
  }

  record(): SessionRecord {
    const record = this.into(new SessionStore()).get(this.id)
    if (record === null) throw new Error('no event was told')
    return record
  }

  into(store: SessionStore): SessionStore {
    for (const event of this.events) store.add(event)
    return store
  }

  #verbOf(number: number): string {
    return this.#verbs.get(number) ?? 'RETR'
  }
}

/** A session from its opening to the login. */
export function loggedIn(id?: string, at?: number): Script {
  return new Script(id, at).opened().greeting().login()
}
