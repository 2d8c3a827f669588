/**
 * What may be changed in a message, and how: each edit touches its own lines and leaves every other octet as it came.
 * Pure: the same message and edits give the same octets, since the sizes that a client is told are counted beforehand.
 */
import type { Attachment } from './message.js'

/** One change of a message. Texts are Unicode; CR, LF and NUL in them become blanks, so that none becomes a line. */
export type MessageEdit =
  /** Adds a field at the end of the header section. */
  | { readonly type: 'add-header'; readonly name: string; readonly value: string }
  /** Puts the value in the place of the first field of the name and removes the others; adds one where there is none. */
  | { readonly type: 'set-header'; readonly name: string; readonly value: string }
  /** Removes all fields of the name. */
  | { readonly type: 'remove-header'; readonly name: string }
  /** Puts a text before the subject, which stays as it is; not twice where it stands there already. */
  | { readonly type: 'tag-subject'; readonly tag: string }
  /** Replaces text in decoded text parts that are no attachments, which then are encoded anew where something changed. */
  | { readonly type: 'replace-text'; readonly replace: (text: string) => string }
  /** Puts a short text part in the place of each attachment that is meant. */
  | {
      readonly type: 'strip-attachments'
      readonly isMeant: (attachment: Attachment) => boolean
      readonly text: string
    }
  /** Lengthens the file name of each attachment that is meant, so that a click opens nothing. */
  | {
      readonly type: 'rename-attachments'
      readonly isMeant: (attachment: Attachment) => boolean
      readonly suffix: string
    }
  /** Makes links in text parts ones that nobody follows by a click: `hxxps://example[.]org`. */
  | { readonly type: 'disarm-links' }
  /** Keeps From, To, Cc, Date, Subject, Message-ID, In-Reply-To and References, and puts a text in place of everything else. */
  | { readonly type: 'notice'; readonly text: string }
