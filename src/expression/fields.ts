/**
 * The fields that an expression may name: one list with type, meaning and where each comes from, shared by filters,
 * breakpoints, recordings and rules. Knows nothing of how they are found in a session.
 */

/** Values for one evaluation. What an object does not have is left out; naming it makes a comparison false. */
export interface Fields {
  // The session.
  readonly session?: string
  readonly service?: string
  readonly listener?: string
  readonly client?: string
  readonly server?: string
  readonly user?: string
  readonly mechanism?: string
  /** AUTHORIZATION, TRANSACTION, UPDATE, CLOSED. */
  readonly state?: string
  /** TLS version of the leg such as `TLSv1.3`; empty for none. */
  readonly client_tls?: string
  readonly server_tls?: string
  readonly commands?: number
  readonly messages?: number
  /** -ERR replies, refused logins and failures. */
  readonly errors?: number
  readonly anomalies?: number
  /** Octets toward the client. */
  readonly octets?: number
  /** Milliseconds. */
  readonly duration?: number
  readonly is_open?: boolean
  readonly is_held?: boolean
  /** Why it closed, and the failure's code. */
  readonly reason?: string
  readonly code?: string
  // The event or item.
  /** Type of the trace event, or `message`. */
  readonly type?: string
  /** Verb in upper case, of a command, its reply and its content. */
  readonly command?: string
  /** What stands behind the verb, credentials redacted. */
  readonly argument?: string
  /** `+OK` or `-ERR`. */
  readonly indicator?: string
  readonly response_code?: string
  readonly text?: string
  readonly anomaly?: string
  /** `client` or `server`. */
  readonly side?: string
  /** Milliseconds from the command. */
  readonly after?: number
  /** Name of the rule that an event tells of, and what it did, in the words of the rule file. */
  readonly rule?: string
  readonly action?: string
  // The message.
  readonly number?: number
  readonly unique_id?: string
  /** Octets of the message, or of a reply's content. */
  readonly size?: number
  readonly subject?: string
  readonly from?: string
  readonly to?: string
  readonly date?: string
  /** All header fields by lower-case name, decoded, the first of each. */
  readonly header?: ReadonlyMap<string, string>
  /** The same as they stand in the message, unfolded. */
  readonly raw_header?: ReadonlyMap<string, string>
  readonly attachments?: readonly AttachmentFields[]
  /** The text of all text parts that are no attachments, decoded, up to a bound. */
  readonly body?: string
  // What judges said of it, by name of the judge.
  readonly verdict?: ReadonlyMap<string, string>
  readonly score?: ReadonlyMap<string, number>
  readonly finding?: ReadonlyMap<string, string>
}

export interface AttachmentFields {
  readonly name: string
  /** The name of the Content-Type where that is another one than the name; left out where it is not. */
  readonly otherName?: string
  readonly type: string
  readonly size: number
  /** Names of the files in a ZIP archive; left out where there are none. */
  readonly files?: readonly string[]
  /** It is a ZIP archive whose names are not all known; left out where it is not. */
  readonly isUnlisted?: boolean
}
