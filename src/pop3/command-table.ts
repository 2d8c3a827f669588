/**
 * Every fact about a verb, once: the states in which it is valid, what its arguments look like, what shape the
 * positive reply has, and where it is written. Decoders, relay and demo server ask this table; none of them
 * compares verbs on its own to find out about shapes or states.
 */

/** The states of RFC 1939 §3. */
export type SessionState = 'AUTHORIZATION' | 'TRANSACTION' | 'UPDATE'

/** Form of one argument. What does not fit its form is treated as a secret: it may be a mistyped password. */
export type ArgumentForm =
  | 'message-number'
  | 'line-count'
  | 'user-name'
  | 'mechanism'
  | 'language-tag'
  | 'secret-word'
  | 'secret-rest'

/**
 * Shape of a reply. `-ERR` is always one line.
 * - `single-line`
 * - `multi-line`: content follows a positive status line
 * - `multi-line-without-argument`: as LIST, which lists all without an argument and answers in one line with it
 * - `sasl`: challenges may come before the status line; without an argument a server may list mechanisms
 */
export type ReplyGrammar = 'single-line' | 'multi-line' | 'multi-line-without-argument' | 'sasl'

export interface CommandGrammar {
  readonly verb: string
  readonly states: readonly SessionState[]
  /** Forms of the arguments in order; all behind `required` are optional. */
  readonly arguments: readonly ArgumentForm[]
  readonly required: number
  readonly reply: ReplyGrammar
  /**
   * Whether the next command must wait for this one's reply, even at a server with PIPELINING. Courier and
   * solid-pop3d lose what stands behind PASS in one packet; behind STLS and QUIT nothing may stand at all;
   * of an unknown verb nobody knows what it does to the session.
   */
  readonly holdsNext: boolean
  /** A positive reply ends the AUTHORIZATION state. */
  readonly logsIn: boolean
  /** RFC and section, or the product where no RFC has it. */
  readonly source: string
}

const AUTHORIZATION = ['AUTHORIZATION'] as const
const TRANSACTION = ['TRANSACTION'] as const
const BOTH = ['AUTHORIZATION', 'TRANSACTION'] as const

function row(
  verb: string,
  states: readonly SessionState[],
  reply: ReplyGrammar,
  forms: readonly ArgumentForm[],
  required: number,
  source: string,
  special: { readonly holdsNext?: true; readonly logsIn?: true } = {},
): readonly [string, CommandGrammar] {
  const { holdsNext = false, logsIn = false } = special
  return [verb, { verb, states, reply, arguments: forms, required, source, holdsNext, logsIn }]
}

/** The verbs postern knows, by their upper-case name. A `Map`, so that `__proto__` is no verb. */
export const COMMAND_TABLE: ReadonlyMap<string, CommandGrammar> = new Map([
  row('USER', AUTHORIZATION, 'single-line', ['user-name'], 1, 'RFC 1939 §7'),
  row('PASS', AUTHORIZATION, 'single-line', ['secret-rest'], 1, 'RFC 1939 §7', {
    holdsNext: true,
    logsIn: true,
  }),
  row('APOP', AUTHORIZATION, 'single-line', ['user-name', 'secret-word'], 2, 'RFC 1939 §7', {
    holdsNext: true,
    logsIn: true,
  }),
  row('AUTH', AUTHORIZATION, 'sasl', ['mechanism', 'secret-word'], 0, 'RFC 5034 §4', {
    holdsNext: true,
    logsIn: true,
  }),
  row('STLS', AUTHORIZATION, 'single-line', [], 0, 'RFC 2595 §4', { holdsNext: true }),
  row('CAPA', BOTH, 'multi-line', [], 0, 'RFC 2449 §5'),
  row('UTF8', AUTHORIZATION, 'single-line', [], 0, 'RFC 6856 §2.1', { holdsNext: true }),
  row('LANG', BOTH, 'multi-line-without-argument', ['language-tag'], 0, 'RFC 6856 §3', { holdsNext: true }),
  row('STAT', TRANSACTION, 'single-line', [], 0, 'RFC 1939 §5'),
  row('LIST', TRANSACTION, 'multi-line-without-argument', ['message-number'], 0, 'RFC 1939 §5'),
  row('RETR', TRANSACTION, 'multi-line', ['message-number'], 1, 'RFC 1939 §5'),
  row('DELE', TRANSACTION, 'single-line', ['message-number'], 1, 'RFC 1939 §5'),
  row('NOOP', TRANSACTION, 'single-line', [], 0, 'RFC 1939 §5'),
  row('RSET', TRANSACTION, 'single-line', [], 0, 'RFC 1939 §5'),
  row('TOP', TRANSACTION, 'multi-line', ['message-number', 'line-count'], 2, 'RFC 1939 §7'),
  row('UIDL', TRANSACTION, 'multi-line-without-argument', ['message-number'], 0, 'RFC 1939 §7'),
  row('QUIT', BOTH, 'single-line', [], 0, 'RFC 1939 §4 and §6', { holdsNext: true }),
  // Historic and foreign verbs whose replies are known.
  row('LAST', TRANSACTION, 'single-line', [], 0, 'RFC 1460 §5'),
  row('RPOP', AUTHORIZATION, 'single-line', ['secret-rest'], 1, 'RFC 1225, Optional POP3 Commands', {
    holdsNext: true,
    logsIn: true,
  }),
  row('XTND', TRANSACTION, 'single-line', ['secret-rest'], 0, 'RFC 1082, and XMIT of Eudora', {
    holdsNext: true,
  }),
  row('XSENDER', TRANSACTION, 'single-line', ['message-number'], 1, 'Cyrus and Eudora', { holdsNext: true }),
  row('XCLIENT', AUTHORIZATION, 'single-line', ['secret-rest'], 0, 'Dovecot', { holdsNext: true }),
  row('*ENV', TRANSACTION, 'multi-line', ['message-number'], 0, 'SDPS of Demon Internet', {
    holdsNext: true,
  }),
])

/** Grammar of a verb that the table does not have: one line in reply, and nothing may follow before it. */
export const UNKNOWN_VERB: CommandGrammar = {
  verb: 'unrecognized',
  states: BOTH,
  arguments: ['secret-rest'],
  required: 0,
  reply: 'single-line',
  holdsNext: true,
  logsIn: false,
  source: 'none',
}

/** Grammar of a verb named by the configuration as answering in several lines. */
export const UNKNOWN_MULTI_LINE_VERB: CommandGrammar = { ...UNKNOWN_VERB, reply: 'multi-line' }
