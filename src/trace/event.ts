/**
 * What observers see of a session: one versioned set of plain events that log, recorder, dump and dashboard
 * share. All text in them is harmless already and no event holds a credential. Knows nothing of who listens.
 */
import type { Anomaly } from '../pop3/anomaly.js'

/** Version of the event set; raised where a reader of the version before would misread one. */
export const TRACE_VERSION = 1

export type Side = 'client' | 'server'

/** Who gave a command: the client, or a person who watches (its reply never reaches the client). */
export type Origin = 'client' | 'watcher'

/** The leaf certificate that a side of a TLS leg showed. All texts are harmless. */
export interface CertificateFacts {
  /** Common name or first alternative name. */
  readonly subject: string
  readonly issuer: string
  /** Alternative names, `DNS:` and `IP:` prefixes left out; at most 16. */
  readonly names: readonly string[]
  /** ISO 8601. */
  readonly notBefore: string
  /** ISO 8601. */
  readonly notAfter: string
  /** SHA-256, upper-case hexadecimal pairs with colons. */
  readonly fingerprint256: string
}

/** What TLS agreed on, for a leg. */
export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly protocol: string
  /** OpenSSL's or the standard's name of the cipher suite. */
  readonly cipher: string
  /** Whether an earlier session was resumed. */
  readonly resumed: boolean
  /** Name that the client asked for (SNI), made printable; null where none was sent. */
  readonly serverName: string | null
  /** Protocol agreed on by ALPN, RFC 7301; null where none was. */
  readonly alpn: string | null
  /** What the server showed, or postern toward the client; null where nobody watched the handshake. */
  readonly certificate: CertificateFacts | null
}

/** Octets each way, as they crossed the sockets' inner side (without TLS). */
export interface OctetCounts {
  readonly fromClient: number
  readonly toClient: number
  readonly fromServer: number
  readonly toServer: number
}

/** Why a session ended. `failed` has a code beside it. */
export type ClosedReason =
  | 'quit'
  | 'client-left'
  | 'server-closed'
  | 'server-refused'
  | 'login-deadline'
  | 'idle'
  | 'drained'
  | 'rule'
  | 'failed'

/** Codes of what went wrong, stable and documented in the README. */
export const FAILURE_CODES = {
  POSTERN_SERVER_UNREACHABLE: 'no TCP connection to the server',
  POSTERN_SERVER_CERTIFICATE_EXPIRED: "the server's certificate has expired",
  POSTERN_SERVER_CERTIFICATE_NOT_YET_VALID: "the server's certificate is not valid yet",
  POSTERN_SERVER_CERTIFICATE_WRONG_NAME: "the server's certificate is for another name",
  POSTERN_SERVER_CERTIFICATE_SELF_SIGNED: "the server's certificate is self-signed",
  POSTERN_SERVER_CERTIFICATE_UNKNOWN_ISSUER:
    "the server's certificate comes from an authority that is not trusted",
  POSTERN_SERVER_CERTIFICATE_WEAK: "a key of the server's certificate chain is too short",
  POSTERN_SERVER_CERTIFICATE_NOT_PINNED: "the server's certificate is not the pinned one",
  POSTERN_SERVER_CERTIFICATE_REVOKED: "the server's certificate has been revoked",
  POSTERN_SERVER_CERTIFICATE_INVALID: "the server's certificate is unusable for another reason",
  POSTERN_SERVER_TLS_TOO_OLD: 'the server speaks no TLS version that is new enough',
  POSTERN_SERVER_TLS_ABSENT: 'the server does not speak TLS where it was expected',
  POSTERN_SERVER_TLS_WRONG_PROTOCOL: 'the server speaks another protocol than POP3 within TLS',
  POSTERN_SERVER_TLS_WEAK: 'the server offers weak cryptography only',
  POSTERN_SERVER_TLS_REFUSED: 'the server refused the TLS handshake',
  POSTERN_SERVER_TLS_CLOSED: 'the server closed the connection within the TLS handshake',
  POSTERN_SERVER_TLS_FAILED: 'the TLS handshake with the server failed for another reason',
  POSTERN_SERVER_NO_STLS: 'the server does not take STLS',
  POSTERN_SERVER_GREETING: "the server's greeting is missing or no POP3",
  POSTERN_SERVER_PROTOCOL: 'the server broke the protocol',
  POSTERN_SERVER_CLOSED: 'the server closed the connection within a reply',
  POSTERN_CLIENT_TLS: 'the TLS handshake with the client failed',
  POSTERN_CLIENT_PROTOCOL: 'the client broke the protocol',
  POSTERN_DEADLINE: 'a deadline passed',
  POSTERN_WRITE_STALLED: 'a side took no octets though some waited for it',
  POSTERN_LIMIT: 'a limit of sessions was reached',
  POSTERN_RULES: 'rules on mail could not be carried out',
  POSTERN_SHUTTING_DOWN: 'postern is ending',
  POSTERN_CAPTURE_ENCRYPTED: 'a capture shows a session that goes on in TLS',
  POSTERN_CAPTURE_INCOMPLETE: 'a capture lacks a part of the session',
} as const

export type FailureCode = keyof typeof FAILURE_CODES

/** One thing that went wrong, told for the client, the administrator and programs. */
export interface Failure {
  readonly code: FailureCode
  /** Waiting will not mend it: `[SYS/PERM]` instead of `[SYS/TEMP]` (RFC 3206). */
  readonly isPermanent: boolean
  /** One line, printable ASCII, that names the leg: `server certificate expired on 2026-01-02`. */
  readonly text: string
  /** What an administrator can do about it; null where the text says it all. */
  readonly hint: string | null
}

/** What can be held at a breakpoint: a command, a status line without content, or a whole message. */
export type HeldKind = 'command' | 'reply' | 'message'

/** How a held item went on. */
export type Verdict = 'released' | 'edited' | 'answered' | 'dropped' | 'timed-out' | 'session-ended'

/**
 * What happened. `number` counts the commands of a session from 1, those of a watcher among them; 0 stands for what
 * no command asked for. A `wire` is null where the octets are `shown` (or indicator and text) with CRLF, where they
 * hold a credential, and where nobody watched.
 */
export type TraceContent =
  | {
      readonly type: 'session-opened'
      readonly service: string
      readonly listener: string
      readonly client: string
      readonly server: string
    }
  | { readonly type: 'tls-established'; readonly side: Side; readonly tls: TlsFacts }
  | { readonly type: 'server-connected' }
  | {
      readonly type: 'greeting'
      readonly indicator: '+OK' | '-ERR'
      readonly text: string
      readonly afterMs: number
    }
  | {
      readonly type: 'command'
      readonly number: number
      readonly verb: string
      /** The command as a person may see it, credentials redacted. */
      readonly shown: string
      readonly octets: number
      readonly origin: Origin
      readonly wire: Buffer | null
    }
  /** What went to the server instead of the client's command, after a person or a rule changed it. */
  | {
      readonly type: 'command-replaced'
      readonly number: number
      readonly verb: string
      readonly shown: string
      readonly octets: number
      readonly wire: Buffer | null
    }
  | { readonly type: 'sasl-challenge'; readonly number: number; readonly octets: number }
  | {
      readonly type: 'sasl-response'
      readonly number: number
      readonly octets: number
      readonly cancels: boolean
    }
  | {
      readonly type: 'reply'
      readonly number: number
      readonly verb: string
      /** Who answered: the server, or postern itself. */
      readonly source: 'server' | 'postern'
      readonly indicator: '+OK' | '-ERR'
      readonly responseCode: string | null
      readonly text: string
      /** Milliseconds from the command to its status line. */
      readonly afterMs: number
      readonly wire: Buffer | null
    }
  /**
   * A piece of a multi-line response as it is on the wire: byte-stuffed, without the termination octet line. Only
   * where a watcher asked for it, see Attention. `postern` is what the client got in place of the server's.
   */
  | {
      readonly type: 'content'
      readonly number: number
      readonly verb: string
      readonly source: 'server' | 'postern'
      readonly wire: Buffer
    }
  | {
      readonly type: 'content-end'
      readonly number: number
      readonly verb: string
      /** Octets with byte-stuffing removed. */
      readonly octets: number
      readonly afterMs: number
    }
  | { readonly type: 'unsolicited'; readonly octets: number }
  | { readonly type: 'logged-in'; readonly user: string | null; readonly mechanism: string | null }
  | {
      readonly type: 'login-refused'
      readonly user: string | null
      readonly mechanism: string | null
      readonly responseCode: string | null
      readonly text: string
    }
  | {
      readonly type: 'anomaly'
      readonly side: Side
      readonly number: number
      readonly anomaly: Anomaly
      /** Octets concerned, where a count says something. */
      readonly octets: number | null
    }
  | {
      readonly type: 'held'
      /** Names the hold within the process. */
      readonly hold: string
      readonly number: number
      readonly kind: HeldKind
      /** The filter that caught it. */
      readonly breakpoint: string
      /** When it goes on by itself, milliseconds since the epoch. */
      readonly releaseAt: number
    }
  | {
      readonly type: 'released'
      readonly hold: string
      readonly number: number
      readonly kind: HeldKind
      readonly verdict: Verdict
      readonly afterMs: number
    }
  /** A message that a breakpoint might have caught goes on unseen by it: it does not fit what may be gathered. */
  | {
      readonly type: 'not-held'
      readonly number: number
      readonly kind: HeldKind
      /** Octets gathered until then, without byte-stuffing. */
      readonly octets: number
      /** It alone is over the limit, or all that is held and gathered together is. */
      readonly reason: 'too-large' | 'no-room'
    }
  /** A rule holds for a message or a command. Texts are harmless. */
  | {
      readonly type: 'rule-hit'
      /** Of the command that the rule is about; 0 where it is about a message. */
      readonly number: number
      /** Message-number at the server; null where the rule is about a command. */
      readonly message: number | null
      readonly uniqueId: string | null
      readonly rule: string
      /** `FILE:LINE`. */
      readonly place: string
      /** What it does, in words of the rule file. */
      readonly actions: readonly string[]
      readonly reason: string
      /** `shadow`: nothing was done; `failed`: it could not be asked or carried out. */
      readonly mode: 'enforce' | 'shadow' | 'failed'
    }
  /** Before the first listing, the rules have seen of the maildrop what they need. Counts of messages. */
  | {
      readonly type: 'maildrop-seen'
      readonly messages: number
      /** With a verdict of an earlier session. */
      readonly remembered: number
      /** Of which the header section, or all, was fetched for the rules. */
      readonly headers: number
      readonly whole: number
      readonly hidden: number
    }
  /** Rules cannot be asked about this maildrop: its messages pass as they are, or are refused where a rule says so. */
  | { readonly type: 'rules-blind'; readonly text: string }
  | { readonly type: 'failure'; readonly side: Side; readonly failure: Failure }
  | {
      readonly type: 'session-closed'
      readonly reason: ClosedReason
      readonly code: FailureCode | null
      readonly user: string | null
      readonly state: 'AUTHORIZATION' | 'TRANSACTION' | 'UPDATE'
      readonly commands: number
      readonly messages: number
      readonly octets: OctetCounts
      readonly durationMs: number
    }

/**
 * What observers ask a session to tell beyond its plain events. Shared by all sessions of a process and changed while
 * they run, as watchers come and go.
 */
export interface Attention {
  /** Somebody wants more than plain events: `wire` and `certificate` are filled in, content of listings is told. */
  readonly isWatched: boolean
  /** Octets of each message (RETR, TOP) that are told as `content`; 0 for none. */
  readonly messageOctets: number
}

/** Nobody watches. */
export const NO_ATTENTION: Attention = { isWatched: false, messageOctets: 0 }

/** One event: when (milliseconds since the epoch, with fractions), in which session, and what. */
export interface TraceEvent {
  readonly at: number
  readonly session: string
  readonly content: TraceContent
}
