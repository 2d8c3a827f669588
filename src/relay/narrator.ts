/**
 * Tells what a session says in words that anybody may read: commands, replies, logins and anomalies as trace
 * events, with every credential left out. Owns the secrets of the session for that one purpose; decides nothing
 * about what is sent.
 */
import type { Anomaly } from '../pop3/anomaly.js'
import { type Command, hidesKeyword, showCommand } from '../pop3/command.js'
import type { StatusLine } from '../pop3/reply-decoder.js'
import { repeatsSecret } from '../pop3/sasl.js'
import { REDACTED, Secret } from '../pop3/secret.js'
import type { Session } from '../pop3/session.js'
import type { Attention, Origin, Side, TraceContent } from '../trace/event.js'
import { safeText } from '../trace/safe-text.js'
import type { Exchange } from './exchange.js'

/** Secrets of a session, newest last, that the texts of replies are compared with. */
const SECRETS_REMEMBERED = 8
/** RFC 2449 §8 sets no bound; the longest registered response code has 11 octets. */
const RESPONSE_CODE_CODE_POINTS = 40
const USER_CODE_POINTS = 320
/** A shorter one stands in any text by chance. */
const MINIMUM_KEYWORD_OCTETS = 3
/** Listings are full of short numbers and words, so that a shorter secret would hide them and give nothing away. */
const MINIMUM_CONTENT_SECRET_OCTETS = 4
const CR = 0x0d

/** What a person may be shown. */
export interface NarratorOptions {
  readonly showsUserNames: boolean
  /** Upper-case verbs beyond the command table, named by the configuration and so no credentials. */
  readonly multiLineVerbs: ReadonlySet<string>
  readonly attention: Attention
}

/** A command as it was told. */
export interface ToldCommand {
  readonly shown: string
  /** Part of it was left out, since it may be a credential. */
  readonly isSecret: boolean
}

/** One session's narrator. */
export class Narrator {
  readonly #options: NarratorOptions
  readonly #session: Session
  readonly #tell: (content: TraceContent) => void
  #secrets: (readonly Secret[])[] = []
  /** Secrets of commands without a reply, by number: in a long pipeline the newest are not those quoted. */
  readonly #unanswered = new Map<number, readonly Secret[]>()

  /** @param tell takes each event's content; who calls it knows time and session */
  constructor(options: NarratorOptions, session: Session, tell: (content: TraceContent) => void) {
    this.#options = options
    this.#session = session
    this.#tell = tell
  }

  anomalies(side: Side, anomalies: readonly Anomaly[], number: number): void {
    for (const anomaly of anomalies) this.anomaly(side, anomaly, number, null)
  }

  /** @param octets how many are concerned, null where a count says nothing */
  anomaly(side: Side, anomaly: Anomaly, number: number, octets: number | null): void {
    this.#tell({ type: 'anomaly', side, number, anomaly, octets })
  }

  /** Tells a command and remembers what of it is secret. */
  command(
    number: number,
    origin: Origin,
    command: Command,
    wire: Buffer,
    anomalies: readonly Anomaly[],
  ): ToldCommand {
    const told = this.#told(command)
    this.#tell({
      type: 'command',
      number,
      verb: command.verb,
      shown: told.shown,
      octets: wire.length,
      origin,
      wire: this.#openOctets(wire, told.shown, told.isSecret),
    })
    this.anomalies('client', anomalies, number)
    this.#rememberCommand(number, command, wire)
    return told
  }

  /** Tells what the server gets in the place of a command. */
  commandReplaced(number: number, command: Command, wire: Buffer): void {
    const { shown, isSecret } = this.#told(command)
    this.#tell({
      type: 'command-replaced',
      number,
      verb: command.verb,
      shown,
      octets: wire.length,
      wire: this.#openOctets(wire, shown, isSecret),
    })
    this.#rememberCommand(number, command, wire)
  }

  saslChallenge(number: number, challenge: Secret, anomalies: readonly Anomaly[]): void {
    this.#tell({ type: 'sasl-challenge', number, octets: challenge.octets })
    this.anomalies('server', anomalies, number)
  }

  saslResponse(
    number: number,
    response: Secret,
    cancels: boolean,
    wire: Buffer,
    anomalies: readonly Anomaly[],
  ): void {
    this.#tell({ type: 'sasl-response', number, octets: wire.length, cancels })
    this.anomalies('client', anomalies, number)
    if (!cancels) this.#remember([response])
  }

  greeting(status: StatusLine, afterMs: number, anomalies: readonly Anomaly[]): void {
    this.#tell({ type: 'greeting', indicator: status.indicator, text: safeText(fullText(status)), afterMs })
    this.anomalies('server', anomalies, 0)
  }

  /**
   * Tells the status line of a reply.
   *
   * @param wire the status line as it is on the wire
   * @param now milliseconds, of the clock that dates the exchange
   * @returns the status line as it may be shown: some servers quote what they did not understand, and that may
   * be a password
   */
  reply(
    exchange: Exchange,
    source: 'server' | 'postern',
    status: Pick<StatusLine, 'indicator' | 'responseCode' | 'text'>,
    wire: Buffer,
    now: number,
  ): ShownStatus {
    const { number, command, givenAt } = exchange
    const text = fullText(status)
    // The octets of a response code too: it is decoded to upper case.
    const repeats =
      source === 'server' &&
      (this.#repeatsSecret(text, number) ||
        (status.responseCode !== null && this.#repeatsSecret(wire.toString('latin1'), number)))
    if (repeats) this.anomaly('server', 'credential-echoed', number, null)
    const code = repeats ? null : status.responseCode
    const shown = {
      responseCode: code === null ? null : safeText(code, RESPONSE_CODE_CODE_POINTS),
      text: repeats ? REDACTED : safeText(status.text),
    }
    const { indicator } = status
    this.#tell({
      type: 'reply',
      number,
      verb: command.verb,
      source,
      indicator,
      ...shown,
      afterMs: now - givenAt,
      wire: this.#options.attention.isWatched
        ? this.#openOctets(wire, lineOf(indicator, shown), repeats)
        : null,
    })
    return { ...shown, isSecret: repeats }
  }

  /** Forgets the secrets of a command that only its own reply would quote. */
  answered(number: number): void {
    this.#unanswered.delete(number)
  }

  /**
   * Tells content of a reply as it is on the wire, if it is mail, or if no credential stands in it.
   *
   * @param isMail mail is told to who asked for mail, whatever stands in it
   */
  content(exchange: Exchange, source: 'server' | 'postern', wire: Buffer, isMail: boolean): void {
    if (wire.length === 0) return
    const { number, command } = exchange
    if (!isMail && this.#repeatsSecret(wire.toString('latin1'), number, MINIMUM_CONTENT_SECRET_OCTETS)) {
      this.anomaly('server', 'credential-echoed', number, wire.length)
      return
    }
    this.#tell({ type: 'content', number, verb: command.verb, source, wire })
  }

  /** The user as given, with the mechanism of the last login tried. */
  login(): { readonly user: string | null; readonly mechanism: string | null } {
    const { user, mechanism } = this.#session
    if (user === null) return { user, mechanism }
    return { user: this.#options.showsUserNames ? safeText(user, USER_CODE_POINTS) : REDACTED, mechanism }
  }

  /** A verb for a message to a person. */
  keyword(command: Command): string {
    return this.#hidesKeyword(command) ? REDACTED : command.keyword
  }

  /** Forgets all secrets. */
  forget(): void {
    this.#secrets = []
    this.#unanswered.clear()
  }

  #repeatsSecret(text: string, number: number, minimumOctets = 0): boolean {
    const repeats = (secrets: readonly Secret[]): boolean =>
      secrets.some((secret) => secret.octets >= minimumOctets && repeatsSecret(text, secret))
    return repeats(this.#unanswered.get(number) ?? []) || this.#secrets.some(repeats)
  }

  #rememberCommand(number: number, command: Command, wire: Buffer): void {
    const secrets = this.#secretsOf(command, wire)
    if (secrets.length === 0) return
    this.#remember(secrets)
    this.#unanswered.set(number, [...(this.#unanswered.get(number) ?? []), ...secrets])
  }

  /** The octets of a line for who watches: only where they are not the shown text, and never beside a credential. */
  #openOctets(wire: Buffer, shown: string, isSecret: boolean): Buffer | null {
    if (!this.#options.attention.isWatched || isSecret) return null
    // A copy: the line is a slice of what was read in one go.
    return Buffer.from(`${shown}\r\n`, 'utf8').equals(wire) ? null : Buffer.from(wire)
  }

  #told(command: Command): ToldCommand {
    const isNaming = command.verb === 'USER' || command.verb === 'APOP'
    const hidesName = isNaming && !this.#options.showsUserNames
    const isSecret = command.secret !== null || this.#hidesKeyword(command) || hidesName
    return { shown: this.#show(command), isSecret }
  }

  #secretsOf(command: Command, wire: Buffer): readonly Secret[] {
    const { secret } = command
    const isKeywordSecret = this.#hidesKeyword(command) || (secret !== null && hidesKeyword(command))
    if (!isKeywordSecret) return secret === null ? [] : [secret]
    const keyword = firstWord(wire)
    // Servers quote an unknown keyword by itself, short as it may be.
    return [wholeLine(wire), ...(keyword.octets < MINIMUM_KEYWORD_OCTETS ? [] : [keyword])]
  }

  #remember(secrets: readonly Secret[]): void {
    this.#secrets.push(secrets)
    if (this.#secrets.length > SECRETS_REMEMBERED) this.#secrets.shift()
  }

  #show(command: Command): string {
    if (this.#hidesKeyword(command)) return REDACTED
    const isNaming = command.verb === 'USER' || command.verb === 'APOP'
    if (isNaming && !this.#options.showsUserNames) return `${command.keyword} ${REDACTED}`
    return safeText(showCommand(command))
  }

  /**
   * Whether a keyword that the table lacks may be a credential: before the login, a password of four letters or a
   * piece of base64 given to a dialogue that went wrong looks like one.
   */
  #hidesKeyword(command: Command): boolean {
    if (command.verb !== 'unrecognized' || command.keyword === '') return false
    return this.#session.state === 'AUTHORIZATION' && !this.#options.multiLineVerbs.has(command.keyword)
  }
}

/** A status line without anything that may not be shown. */
export interface ShownStatus {
  readonly responseCode: string | null
  readonly text: string
  /** It repeated a credential, which was left out. */
  readonly isSecret: boolean
}

/** A line as one secret, without its line end. */
function wholeLine(wire: Buffer): Secret {
  const end = wire.length - (wire[wire.length - 2] === CR ? 2 : 1)
  return new Secret(wire.subarray(0, end))
}

function firstWord(wire: Buffer): Secret {
  const words = wire.toString('latin1').trimStart()
  return new Secret(Buffer.from(words.slice(0, words.search(/\s|$/)), 'latin1'))
}

function fullText(status: Pick<StatusLine, 'responseCode' | 'text'>): string {
  return status.responseCode === null ? status.text : `[${status.responseCode}] ${status.text}`
}

function lineOf(
  indicator: string,
  { responseCode, text }: Pick<ShownStatus, 'responseCode' | 'text'>,
): string {
  const code = responseCode === null ? '' : `[${responseCode}]`
  return [indicator, code, text].filter((word) => word !== '').join(' ')
}
