/**
 * What a rule can do: every action with what it is done to, whether a client's listings show it, and how much of a
 * message must be seen to do it. The one table that checks, costs and help are made of.
 */
import type { Pattern } from '../expression/pattern.js'
import type { Attachment } from '../mail/message.js'
import type { Template } from './template.js'
import type { Sight } from './verdict.js'

/** Which attachments are meant. */
export type IsMeant = (attachment: Attachment) => boolean

/** One action of a rule. */
export type Action =
  | { readonly type: 'add-header' | 'set-header'; readonly name: string; readonly value: Template }
  | { readonly type: 'remove-header'; readonly name: string }
  | { readonly type: 'tag-subject'; readonly tag: Template }
  | { readonly type: 'replace-text'; readonly pattern: Pattern; readonly replacement: Template }
  | { readonly type: 'strip-attachments'; readonly isMeant: IsMeant; readonly text: Template }
  | { readonly type: 'rename-attachments'; readonly isMeant: IsMeant; readonly suffix: string }
  | { readonly type: 'disarm-links' }
  | { readonly type: 'notice'; readonly text: Template }
  | { readonly type: 'take-output'; readonly judge: string }
  | { readonly type: 'hide' }
  | {
      readonly type: 'quarantine' /** What the client sees in its place. */
      readonly leaves: 'notice' | 'hide'
      readonly text: Template
    }
  /** Null for ever. */
  | { readonly type: 'keep-on-server'; readonly forMs: number | null }
  | { readonly type: 'mark'; readonly text: Template }
  | { readonly type: 'log' }
  | { readonly type: 'notify'; readonly url: string }
  | { readonly type: 'refuse'; readonly text: Template; readonly code: string | null }
  | { readonly type: 'answer'; readonly text: Template; readonly lines: readonly Template[] | null }
  | { readonly type: 'close' }
  | { readonly type: 'delay'; readonly ms: number }
  | { readonly type: 'set-argument'; readonly argument: Template }
  | { readonly type: 'capabilities'; readonly add: readonly string[]; readonly remove: readonly string[] }
  | { readonly type: 'greeting'; readonly text: Template }
  | { readonly type: 'limit-logins'; readonly everyMs: number }
  | { readonly type: 'throttle'; readonly octetsPerSecond: number }
  | { readonly type: 'cut-off'; readonly octets: number }
  | { readonly type: 'corrupt'; readonly every: number }

export type ActionType = Action['type']

/** What an action is done to. `either`: the condition decides. */
export type ActionObject = 'message' | 'command' | 'either'

export interface ActionFacts {
  readonly of: ActionObject
  /** Whether STAT, LIST or UIDL are different for it. */
  readonly isListed: boolean
  /** What must be seen of a message to do it and to count the octets afterwards. */
  readonly sight: Sight
  readonly meaning: string
}

const HEADER_EDIT = { of: 'message', isListed: true, sight: 'header' } as const
const BODY_EDIT = { of: 'message', isListed: true, sight: 'message' } as const
const TOLD = { of: 'either', isListed: false, sight: 'nothing' } as const
const OF_COMMAND = { of: 'command', isListed: false, sight: 'nothing' } as const

/** All actions, in the order of help. */
export const ACTION_FACTS: Readonly<Record<ActionType, ActionFacts>> = {
  'add-header': { ...HEADER_EDIT, meaning: 'adds a header field' },
  'set-header': { ...HEADER_EDIT, meaning: 'puts a header field in the place of all of its name' },
  'remove-header': { ...HEADER_EDIT, meaning: 'removes all header fields of a name' },
  'tag-subject': { ...HEADER_EDIT, meaning: 'puts a text before the subject' },
  'replace-text': { ...BODY_EDIT, meaning: 'replaces what a pattern finds in the lines of text parts' },
  'strip-attachments': { ...BODY_EDIT, meaning: 'puts a text in the place of attachments' },
  'rename-attachments': { ...BODY_EDIT, meaning: 'lengthens the names of attachments' },
  'disarm-links': { ...BODY_EDIT, meaning: 'makes links that nobody follows by a click' },
  notice: { ...BODY_EDIT, meaning: "puts a notice in the message's place, with its headers" },
  'take-output': {
    ...BODY_EDIT,
    meaning: "puts what a program wrote in the message's place, before all other edits",
  },
  hide: { of: 'message', isListed: true, sight: 'listing', meaning: 'hides the message from the client' },
  quarantine: {
    ...BODY_EDIT,
    meaning: 'copies the message into the quarantine, and puts a notice in its place or hides it',
  },
  'keep-on-server': {
    of: 'message',
    isListed: false,
    sight: 'nothing',
    meaning: 'answers DELE and does not delete, for ever or until the message is old enough',
  },
  mark: { ...TOLD, meaning: 'says a text in the log and the dashboard' },
  log: { ...TOLD, meaning: 'does nothing but tell that the rule holds' },
  notify: { ...TOLD, meaning: 'tells a webhook that the rule holds' },
  refuse: { ...OF_COMMAND, meaning: 'answers the command with -ERR' },
  answer: { ...OF_COMMAND, meaning: 'answers the command with +OK in the place of the server' },
  close: { ...OF_COMMAND, meaning: 'ends the session' },
  delay: { ...OF_COMMAND, meaning: 'lets the command wait' },
  'set-argument': { ...OF_COMMAND, meaning: 'puts another argument behind the verb for the server' },
  capabilities: { ...OF_COMMAND, meaning: 'adds lines to the reply to CAPA, and takes tags away' },
  greeting: { ...OF_COMMAND, meaning: 'puts another text into the greeting; a timestamp for APOP stays' },
  'limit-logins': {
    ...OF_COMMAND,
    meaning: 'answers a login that comes too soon after the last one with -ERR [LOGIN-DELAY]',
  },
  throttle: { ...OF_COMMAND, meaning: "slows the client's leg down, from the command on" },
  'cut-off': { ...OF_COMMAND, meaning: 'breaks both connections within the reply' },
  corrupt: { ...OF_COMMAND, meaning: "damages octets of the reply's content" },
}

/** What may be done when the reply to a command is here already. `refuse` is done to a `-ERR` alone. */
export const ACTIONS_ON_REPLIES: ReadonlySet<ActionType> = new Set<ActionType>([
  'mark',
  'log',
  'notify',
  'refuse',
  'close',
])

/** The texts that an action fills in, in one order. */
export function textsOf(action: Action): readonly Template[] {
  switch (action.type) {
    case 'add-header':
    case 'set-header':
      return [action.value]
    case 'tag-subject':
      return [action.tag]
    case 'replace-text':
      return [action.replacement]
    case 'strip-attachments':
    case 'notice':
    case 'quarantine':
    case 'mark':
    case 'refuse':
    case 'greeting':
      return [action.text]
    case 'set-argument':
      return [action.argument]
    case 'answer':
      return [action.text, ...(action.lines ?? [])]
    default:
      return []
  }
}
