/**
 * What rules decide about a message, a command or a session: the values that the relay acts on. Types only.
 */
import type { Gap } from '../mail/abridged.js'
import type { MessageEdit } from '../mail/edit.js'

/** How much of a message somebody must have seen. Each includes those before it. */
export type Sight = 'nothing' | 'listing' | 'header' | 'message'

/** What one judge said about one message. */
export interface JudgeAnswer {
  /** `clean`, or what it is instead: `infected`, `spam`, `reject`… in lower case. Harmless text. */
  readonly verdict: string
  /** Null where the judge gives none. */
  readonly score: number | null
  /** What it found, in its words: name of the virus, names of the tests. Harmless text; empty for nothing. */
  readonly finding: string
  /** Of a program that writes messages: what may stand in the message's place, lines with CRLF; null to leave it. */
  readonly output?: Buffer | null
}

/** Why a judge gave no answer, in one line for a person: `clamd at 127.0.0.1:3310 refused the connection`. */
export interface JudgeFailure {
  readonly failed: string
}

/** Answers by name of the judge, of all that were asked. */
export type JudgeAnswers = ReadonlyMap<string, JudgeAnswer | JudgeFailure>

/** What is done with a message whose rule could not be asked or carried out. */
export type OnFailure = 'deliver' | 'refuse' | 'hold'

/** One rule that holds for a message, for log, dashboard and metrics. Texts are harmless. */
export interface RuleHit {
  readonly rule: string
  /** `FILE:LINE`. */
  readonly place: string
  /** What the rule does, in words of the rule file: `tag-subject "[external]"`; one for each action. */
  readonly actions: readonly string[]
  /** Why: the condition, with what the judges found. */
  readonly reason: string
  /** `shadow`: nothing is done. `failed`: it could not be asked, and `reason` says why. */
  readonly mode: 'enforce' | 'shadow' | 'failed'
}

/** What becomes of a message. */
export interface MessageVerdict {
  /** All rules that hold, in their order. */
  readonly hits: readonly RuleHit[]
  /** The client never sees it. With `isHeld` the next session asks again. */
  readonly isHidden: boolean
  /** A judge failed and the rule wants the message to wait: not shown in this session, never cached. */
  readonly isHeld: boolean
  /** A judge failed and the rule wants RETR and TOP to be refused with this text; null where they are served. */
  readonly refusal: string | null
  /** The judge whose output stands in the message's place, before anything is edited; null or left out for none. */
  readonly outputOf?: string | null
  /** In order. */
  readonly edits: readonly MessageEdit[]
  /** Where the message has to be copied before anything else is done; null for nowhere. */
  readonly quarantine: {
    readonly rule: string
    readonly reason: string
    /** What is done where it cannot be copied. `deliver`: the original goes on, unedited and visible. */
    readonly onFailure: OnFailure
  } | null
  /** DELE is acknowledged and not passed on. */
  readonly isKeptOnServer: boolean
  /** Webhooks to be told, once. */
  readonly notifications: readonly { readonly rule: string; readonly url: string }[]
  /** Same message, same verdict in the next session: it may be remembered. */
  readonly isLasting: boolean
}

/** What is known of a message when rules are asked. */
export interface SeenMessage {
  /** Message-number at the server. */
  readonly number: number
  /** Null where the server has no UIDL. */
  readonly uniqueId: string | null
  /** Octets, as the server's scan listing says. */
  readonly size: number
  /** The header section with its blank line, without byte-stuffing; null where nobody looked yet. */
  readonly header: Buffer | null
  /** The whole message without byte-stuffing; null where nobody looked yet. */
  readonly message: Buffer | null
  /** Where octets of it are missing, since it lies in a file; left out for none. */
  readonly gaps?: readonly Gap[]
  /** Answers of judges; null where none was asked yet. */
  readonly judged: JudgeAnswers | null
  /**
   * Why more cannot be seen than there is, in words for a person (`the message has more than 16 MiB`): rules that need
   * more have failed, as if their judge had. Null where more can be had for the asking.
   */
  readonly unseen: string | null
}

/**
 * What an examination is for. `listing`: how the message stands in STAT, LIST and UIDL; rules that hide nothing and
 * change no size are not asked. `delivery`: it is about to be handed out, and all rules are asked. Edits and visibility
 * are the same in both.
 */
export type Purpose = 'listing' | 'delivery'

/** What rules say of a message so far. */
export type Examination =
  | { readonly type: 'decided'; readonly verdict: MessageVerdict }
  /** They must see more before they decide. */
  | { readonly type: 'needs'; readonly sight: 'header' | 'message' }
  /** These judges must be asked about the message, each within its time. */
  | {
      readonly type: 'asks'
      /** All that can matter: nobody is asked about the same message a second time. */
      readonly judges: readonly string[]
      /** Milliseconds that all of them together may take, where the rules that ask say so. */
      readonly budgetMs?: number
    }

/** What is known of a command when rules are asked. Texts are harmless and free of credentials. */
export interface SeenCommand {
  readonly verb: string
  readonly argument: string
  /** Message-number at the server, for commands that name a message; null otherwise. */
  readonly number: number | null
}

/** What is known of the server's reply to a command when rules are asked. Texts are harmless and free of credentials. */
export interface SeenReply extends SeenCommand {
  readonly indicator: '+OK' | '-ERR'
  /** Null for none. RFC 2449 §8. */
  readonly responseCode: string | null
  /** What stands behind indicator and response code. */
  readonly text: string
}

/** What becomes of the server's reply to a command. */
export interface ReplyVerdict {
  readonly hits: readonly RuleHit[]
  /** What stands behind the server's `-ERR` instead; null where the reply goes on as it is. */
  readonly instead: { readonly responseCode: string | null; readonly text: string } | null
  /** The session ends behind the reply. */
  readonly closes: boolean
  /** Webhooks to be told, once. */
  readonly notifications: readonly { readonly rule: string; readonly url: string }[]
}

/** When somebody logged in last; see `limit-logins`. */
export interface Logins {
  /**
   * @param client address without port: who logs in is known too late for some mechanisms, and then the client counts
   * @returns milliseconds since the epoch; null where it is not known
   */
  lastAt(service: string, user: string | null, client: string): number | null
}

/** What becomes of a command. At most one of the answers; the first rule that answers wins. */
export interface CommandVerdict {
  readonly hits: readonly RuleHit[]
  /** Milliseconds that the command waits before anything else happens to it; 0 for none. */
  readonly delayMs: number
  /** What the client gets in the place of the server's reply; null where the server answers. */
  readonly answer: {
    readonly indicator: '+OK' | '-ERR'
    readonly responseCode: string | null
    readonly text: string
    /** Lines of a multi-line response without line ends; null for one line. */
    readonly lines: readonly string[] | null
  } | null
  /** The session ends: behind the answer where there is one, at once otherwise. */
  readonly closes: boolean
  /** What stands behind the verb in the command that the server gets; null where it stays. */
  readonly argument?: string | null
  /** Lines that the reply to CAPA gains, and tags that it loses. */
  readonly capabilities?: { readonly add: readonly string[]; readonly remove: readonly string[] } | null
  /** Octets a second that the client gets from now on; null where nothing slows it down. */
  readonly octetsPerSecond?: number | null
  /** Octets of the reply after which both connections break. */
  readonly cutOffAfter?: number | null
  /** One octet in so many of the reply's content is damaged. */
  readonly corruptEvery?: number | null
  /** Webhooks to be told, once; none where it is left out. */
  readonly notifications?: readonly { readonly rule: string; readonly url: string }[]
}

/** Facts of a session that conditions may name. Texts are harmless. Null where not known. */
export interface SessionFields {
  readonly session: string
  readonly service: string
  readonly listener: string
  /** Address and port. */
  readonly client: string
  readonly server: string
  readonly user: string | null
  readonly mechanism: string | null
  readonly state: 'AUTHORIZATION' | 'TRANSACTION' | 'UPDATE'
  /** TLS version of the leg, empty for none. */
  readonly clientTls: string
  readonly serverTls: string
  readonly commands: number
}

/**
 * The rules as one session sees them. Synchronous, quick, and never throws: what a condition cannot say is false.
 * A session keeps the rules it began with, whatever is loaded meanwhile.
 */
export interface SessionRules {
  /** What must be seen of every message before STAT, LIST or UIDL can be answered truly; `nothing` passes them on. */
  readonly sightBeforeListing: Sight
  /**
   * What must be seen of a message before it can be handed out; at least `listing` where any rule is of messages.
   * `nothing`: no rule is of messages, and the dialogue passes as if there were no rules.
   */
  readonly sightBeforeMessage: Sight
  /** Whether a rule keeps messages on the server, so that a DELE must be asked about. */
  readonly keepsOnServer: boolean
  /** Whether a rule is of commands. */
  readonly judgesCommands: boolean
  /** Whether a rule that wants mail to wait or to be refused rather than to pass unseen is among those of messages. */
  readonly refusesUnseen: boolean
  /** Asks the rules of messages. */
  examine(seen: SeenMessage, session: SessionFields, purpose: Purpose): Examination
  /** What the server's greeting says instead, without its timestamp; null where it stays. */
  greeting?(session: SessionFields): { readonly text: string; readonly hits: readonly RuleHit[] } | null
  /** Asks the rules of commands. Null where none holds. */
  command(seen: SeenCommand, session: SessionFields): CommandVerdict | null
  /**
   * Asks the rules that want to know what the server says to a command, at its status line. Null where none holds;
   * left out where there are none.
   */
  reply?(seen: SeenReply, session: SessionFields): ReplyVerdict | null
  /** The verdict of an earlier session on this message, null where it is not known. */
  recall(message: ListedMessage, session: SessionFields, purpose: Purpose): RememberedVerdict | null
  /** Keeps a verdict for the sessions to come. Without effect where it does not last. */
  remember(
    message: ListedMessage,
    session: SessionFields,
    purpose: Purpose,
    remembered: RememberedVerdict,
  ): void
}

/** A message by what the server's listings say. */
export interface ListedMessage {
  readonly uniqueId: string
  readonly size: number
  /** Message-number at the server. */
  readonly number: number
}

/** A verdict with what was counted: octets of the message as the client gets it. */
export interface RememberedVerdict {
  readonly verdict: MessageVerdict
  /** Exact octets that RETR will send to the client; those of the server's where nothing is changed. */
  readonly octets: number
}
