/**
 * What a configuration amounts to once it is read, checked and completed by defaults: plain values that the
 * rest of the program takes. Knows nothing of files, YAML or the command line.
 */
import type { Limits } from '../pop3/limits.js'

/** Levels of the log, least to most. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** How a leg is protected: not at all, upgraded by STLS (RFC 2595 §4), or TLS from the start (RFC 8314 §3). */
export type LegSecurity = 'plain' | 'stls' | 'tls'

/** `pop3://`, `pop3+stls://` or `pop3s://` with host and port. IPv6 hosts stand without brackets. */
export interface LegUrl {
  readonly security: LegSecurity
  readonly host: string
  readonly port: number
}

/** One address on which clients are accepted. */
export interface ListenerSettings {
  readonly url: LegUrl
  /** Whether a plain listener offers STLS; without effect on the other kinds. */
  readonly offerStls: boolean
  /** Accepts TLS 1.0 and 1.1 from programs that know nothing newer. */
  readonly oldTls: boolean
  /** Own certificates, chosen by server name; the first is used where no name fits. PEM files, absolute. */
  readonly certificates: readonly { readonly certFile: string; readonly keyFile: string }[]
  /** Names and IP addresses for which the local authority may mint a certificate, beside the listening address. */
  readonly names: readonly string[]
}

/** The one server of a service. */
export interface UpstreamSettings {
  readonly url: LegUrl
  /** Name that the certificate must carry and that SNI sends, where it is not the host of the URL. */
  readonly name: string | null
  /** PEM file with the only authorities to trust, absolute; null trusts what Node trusts. */
  readonly caFile: string | null
  /** SHA-256 of the server's public key (SPKI) in base64 or of its certificate in hex; any may match. Narrows, never widens. */
  readonly pins: readonly string[]
  /** SHA-256 fingerprints (hex) of certificates accepted although their chain or name does not verify. */
  readonly acceptCertificates: readonly string[]
  readonly minimumTls: 'TLSv1.2' | 'TLSv1.3'
}

/** Listeners, one server and the bounds between them. */
export interface ServiceSettings {
  readonly name: string
  readonly listeners: readonly ListenerSettings[]
  readonly upstream: UpstreamSettings
  readonly limits: Limits
  /** Upper-case verbs, unknown to postern, whose positive reply has several lines. */
  readonly multiLineVerbs: readonly string[]
}

/** A recording that is written: a file of JSON lines. */
export interface WriteSettings {
  /** Absolute. */
  readonly file: string
  /** Octets of each message that are recorded; 0 for no mail. */
  readonly messageOctets: number
  /** Records the sessions for which it holds, see `expression/`; null records all. */
  readonly filter: string | null
  /** Largest file; then it is rotated, or the recording ends where `keep` is 0. */
  readonly maxOctets: number
  /** Older files to keep, as FILE.1 to FILE.n. With 0, a file that exists is never touched. */
  readonly keep: number
}

/** Where watchers attach: a path, the usual place (see `cli/control-socket.ts`), or nowhere. */
export type ControlSettings =
  | { readonly type: 'usual' }
  | { readonly type: 'none' }
  | { readonly type: 'path'; readonly path: string }

/** Where figures are served to programs of this machine, or that they are not counted at all. */
export type MetricsSettings =
  | { readonly type: 'none' }
  /** A loopback address, IPv6 without brackets; port 0 takes a free one. */
  | { readonly type: 'address'; readonly host: string; readonly port: number }

/** The rules on mail and commands, and where they keep what they need. */
export interface RulesSettings {
  /** Rule files, and directories of such, absolute; in this order. */
  readonly paths: readonly string[]
  /** Maildir for messages that a rule takes away, absolute; null is the usual place beside the authority. */
  readonly quarantineDirectory: string | null
  /** Folder of messages larger than memory is given, while rules look at them; absolute, null is the usual place. */
  readonly spoolDirectory: string | null
  /** File that remembers verdicts beyond a restart, absolute; null remembers them in memory alone. */
  readonly verdictsFile: string | null
  /** Whether clients get signs of life within the status line while a rule or a person takes long. */
  readonly keepsClientsAlive: boolean
}

export interface Settings {
  readonly log: {
    readonly level: LogLevel
    /** False prints `[redacted]` for user names too: people type passwords there. */
    readonly userNames: boolean
  }
  /** Directory of the local authority, absolute. */
  readonly authorityDirectory: string
  /** Null records nothing. */
  readonly write: WriteSettings | null
  readonly control: ControlSettings
  readonly metrics: MetricsSettings
  readonly rules: RulesSettings
  readonly services: readonly ServiceSettings[]
}
