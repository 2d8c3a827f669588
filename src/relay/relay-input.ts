/**
 * The language between the relay and the one place that performs I/O: what a session is, what can happen to it, and
 * what the relay asks for in return. Types only.
 */
import type { Limits } from '../pop3/limits.js'
import type { SessionRules } from '../rules/verdict.js'
import type { Attention, Failure, Side, TlsFacts, TraceEvent } from '../trace/event.js'
import type { ClientLegOptions } from './client-leg.js'
import type { HeldItem, HoldAnswer, Interceptor } from './interception.js'
import type { MaildropAnswer, MaildropQuestion } from './maildrop.js'
import type { SpoolOptions } from './spool.js'

/** What a relay is told about its session. Texts are shown to people as they are. */
export interface RelayOptions {
  readonly sessionId: string
  readonly service: string
  /** URL of the listener, address of the client, URL of the server. */
  readonly listener: string
  readonly client: string
  readonly server: string
  readonly clientLeg: ClientLegOptions
  readonly serverLeg: 'plain' | 'stls' | 'tls'
  readonly limits: Limits
  /** Upper-case verbs beyond the command table whose positive reply has several lines. */
  readonly multiLineVerbs: ReadonlySet<string>
  readonly showsUserNames: boolean
  /** What observers ask for; looked at anew each time, since watchers come and go. */
  readonly attention: Attention
  readonly interceptor: Interceptor
  /** The rules that the session keeps; null for none. */
  readonly rules: SessionRules | null
  /**
   * While a message is gathered or held, or the rules look at the maildrop, the client gets `+OK` after ten seconds and
   * then a blank every ten, so that it does not give up. A held command or reply of one line waits in silence.
   */
  readonly keepsClientAlive: boolean
  /** How messages that are larger than memory is given are kept in files for rules; null where they are not. */
  readonly spool: Pick<SpoolOptions, 'room' | 'abridger'> | null
}

/** What happened at the edge. */
export type RelayInput =
  /** The client's connection was accepted. First input of every session. */
  | { readonly type: 'accepted' }
  | { readonly type: 'octets'; readonly side: Side; readonly octets: Buffer }
  /** The side sent its last octet and may still read. */
  | { readonly type: 'end'; readonly side: Side }
  /** The side's connection is gone. */
  | { readonly type: 'closed'; readonly side: Side }
  /** The server's TCP connection stands; with POP3S, TLS follows at once. */
  | { readonly type: 'server-reached' }
  /** TLS stands on the side; toward the server its certificate has been verified. */
  | { readonly type: 'tls-established'; readonly side: Side; readonly tls: TlsFacts }
  /** The side cannot be used: no connection, no handshake, no acceptable certificate, no reader. */
  | { readonly type: 'failed'; readonly side: Side; readonly failure: Failure }
  /** Time has passed; see {@link Relay.isDue}. */
  | { readonly type: 'clock' }
  /** The process wants to end: finish what is within a reply. */
  | { readonly type: 'drain' }
  /** A person decided about a held item. Without effect where it went on already. */
  | { readonly type: 'verdict'; readonly hold: string; readonly answer: HoldAnswer }
  /** What came of the question of an `ask`. Without effect where nobody waits for it any more. */
  | { readonly type: 'answered'; readonly id: number; readonly answer: MaildropAnswer }
  /** What a `read-spool` asked for. Without effect where nobody waits for it any more. */
  | { readonly type: 'spool-read'; readonly id: number; readonly octets: Buffer }
  /** A file could not be written or read, and why, in words for a person. */
  | { readonly type: 'spool-failed'; readonly id: number; readonly text: string }
  /** A person sends a command of their own. `line` without its line end; `id` comes back in `send-answered`. */
  | { readonly type: 'send'; readonly id: string; readonly line: Buffer }

/** What the edge is to do, in order. */
export type RelayEffect =
  /** Connect TCP; with POP3S toward the server, go on with TLS at once. */
  | { readonly type: 'connect-server' }
  | { readonly type: 'write'; readonly side: Side; readonly octets: Buffer }
  /** Wrap the side's connection in TLS once all that was written has left. */
  | { readonly type: 'start-tls'; readonly side: Side }
  /** Close the side behind what was written. */
  | { readonly type: 'end'; readonly side: Side }
  /** Drop the side's connection at once, unwritten octets with it. */
  | { readonly type: 'destroy'; readonly side: Side }
  | { readonly type: 'trace'; readonly event: TraceEvent }
  /** An item is held from now on; the edge keeps it for whoever looks. Told again where `isCommitted` has changed. */
  | { readonly type: 'hold'; readonly item: HeldItem }
  /** The item is held no longer. */
  | { readonly type: 'unhold'; readonly hold: string }
  /** A verdict was taken (`problem` null), or was not, and why: the item is then held as before. */
  | { readonly type: 'verdict-answered'; readonly hold: string; readonly problem: string | null }
  /** Ask judges or the quarantine; the answer comes by `answered`, sooner or later, whatever it is. */
  | { readonly type: 'ask'; readonly id: number; readonly question: MaildropQuestion }
  /** Put octets at the end of a file of the session, which begins with the first of them. */
  | { readonly type: 'spool'; readonly id: number; readonly octets: Buffer }
  /** Read octets of a file, once all is in it and the client takes more; they come by `spool-read`, all of them. */
  | { readonly type: 'read-spool'; readonly id: number; readonly start: number; readonly end: number }
  /** The session needs a file no more. */
  | { readonly type: 'drop-spool'; readonly id: number }
  /** Give the client no more than so many octets a second from now on. */
  | { readonly type: 'throttle'; readonly octetsPerSecond: number }
  /** Tell a webhook that a rule holds, without waiting. */
  | {
      readonly type: 'notify'
      readonly url: string
      readonly rule: string
      /** Message-number at the server; null where the rule is about a command. */
      readonly message: number | null
      readonly uniqueId: string | null
      readonly user: string | null
    }
  /** A watcher's command was taken (`problem` null), or was not, and why. */
  | { readonly type: 'send-answered'; readonly id: string; readonly problem: string | null }
