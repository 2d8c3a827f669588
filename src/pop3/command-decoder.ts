/**
 * The client's side of the codec: octets in, commands and SASL responses out. Pulled and told what to expect,
 * because whether a line is a command or a credential depends on the server's reply before it. Knows nothing of
 * replies.
 */
import { type Anomaly, NO_ANOMALIES } from './anomaly.js'
import { type Command, decodeCommand } from './command.js'
import type { Limits } from './limits.js'
import { LineBuffer } from './line-buffer.js'
import { isBase64Line } from './sasl.js'
import { Secret } from './secret.js'

/** What the client said. `wire` are the exact octets; concatenated over all events they are the input. */
export type ClientEvent =
  | {
      readonly type: 'command'
      readonly command: Command
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  | {
      readonly type: 'sasl-response'
      readonly response: Secret
      /** The line was `*`, which cancels the exchange (RFC 5034 §4). */
      readonly cancels: boolean
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }
  /** The line exceeds its limit; `wire` are its first octets, and nothing behind them can be decoded. */
  | {
      readonly type: 'line-too-long'
      readonly limit: number
      readonly wire: Buffer
      readonly anomalies: readonly Anomaly[]
    }

export type ExpectedOfClient = 'command' | 'sasl-response'

const TOO_LONG: readonly Anomaly[] = ['line-too-long']
const CR = 0x0d

/** Decodes one client's octets. */
export class CommandDecoder {
  readonly #buffer = new LineBuffer()
  readonly #limits: Limits
  readonly #multiLineVerbs: ReadonlySet<string>

  constructor(limits: Limits, multiLineVerbs: ReadonlySet<string>) {
    this.#limits = limits
    this.#multiLineVerbs = multiLineVerbs
  }

  /** Octets received and not yet decoded. */
  get undecodedOctets(): number {
    return this.#buffer.octets
  }

  push(octets: Buffer): void {
    this.#buffer.push(octets)
  }

  /**
   * Decodes the next line.
   *
   * @param expecting `sasl-response` while the server's last word was a challenge
   * @returns null until a whole line is there
   * Never fails.
   */
  next(expecting: ExpectedOfClient): ClientEvent | null {
    const limits = this.#limits
    let limit = expecting === 'sasl-response' ? limits.saslLineOctets : limits.commandLineOctets
    let line = this.#buffer.takeLine(limit)
    if (
      line === 'too-long' &&
      expecting === 'command' &&
      limits.saslLineOctets > limit &&
      this.#beginsWithAuth()
    ) {
      limit = limits.saslLineOctets
      line = this.#buffer.takeLine(limit)
    }
    if (line === 'incomplete') return null
    if (line === 'too-long') {
      return { type: 'line-too-long', limit, wire: this.#buffer.take(limit), anomalies: TOO_LONG }
    }
    if (expecting === 'sasl-response') return decodeSaslResponse(line)
    const { command, anomalies } = decodeCommand(line, this.#multiLineVerbs)
    return { type: 'command', command, wire: line, anomalies }
  }

  /** Hands back what is left, for TLS or for the bin, and forgets it. */
  takeUndecoded(): Buffer {
    return this.#buffer.take(this.#buffer.octets)
  }

  #beginsWithAuth(): boolean {
    return this.#buffer.peek(5).toString('latin1').toUpperCase() === 'AUTH '
  }
}

function decodeSaslResponse(line: Buffer): ClientEvent {
  let end = line.length - 1
  const endsInCrlf = line[end - 1] === CR
  if (endsInCrlf) end -= 1
  const cancels = end === 1 && line[0] === 0x2a
  const anomalies: Anomaly[] = []
  if (!endsInCrlf) anomalies.push('bare-line-feed')
  if (!cancels && !isBase64Line(line, 0, end)) anomalies.push('not-base64')
  return {
    type: 'sasl-response',
    response: new Secret(line.subarray(0, end)),
    cancels,
    wire: line,
    anomalies: anomalies.length === 0 ? NO_ANOMALIES : anomalies,
  }
}
