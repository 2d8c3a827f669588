/**
 * What may be changed in a message, and how: each edit touches its own lines and leaves every other octet as it came.
 * Pure: the same message and edits give the same octets, since the sizes that a client is told are counted beforehand.
 */
import { type Abridged, gapsMoved, unabridged } from './abridged.js'
import { withAttachmentsRenamed, withoutAttachments } from './edit-attachments.js'
import {
  headerEnd,
  isNamed,
  withField,
  withFieldAdded,
  withoutFields,
  withSubjectTagged,
} from './edit-header.js'
import { withLinksDisarmed, withTextReplaced } from './edit-text.js'
import type { Attachment } from './message.js'
import { noticeOf } from './notice.js'

/**
 * One change of a message. Texts are Unicode. In those of header fields and file names CR, LF, NUL and other controls
 * become blanks, so that none becomes a line; those of `strip-attachments` and `notice` keep their lines, since they
 * become a body.
 */
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

export { noticeOf } from './notice.js'

type HeaderEdit = Extract<
  MessageEdit,
  { readonly type: 'add-header' | 'set-header' | 'remove-header' | 'tag-subject' }
>
type ContentEdit = Exclude<MessageEdit, HeaderEdit>

/**
 * Tells what has to be seen to apply edits.
 *
 * @returns `header` where they leave the octets of the body as they are, so that the body need not be held
 */
export function reachOf(edits: readonly MessageEdit[]): 'nothing' | 'header' | 'message' {
  if (edits.length === 0) return 'nothing'
  return edits.every(isHeaderEdit) ? 'header' : 'message'
}

/**
 * Applies edits of the header section, in their order, each to the result of the one before.
 *
 * @param section the header section with its blank line; some replies to TOP have none, and get none. What comes behind
 * the blank line stays.
 * @param edits those with the reach `header`
 * @returns only lines of edited fields differ; new lines end with CRLF
 * @throws TypeError for an edit with another reach, and for a name that is none: faults of the caller
 * RFC 5322 §2.2.
 */
export function editHeaderSection(section: Buffer, edits: readonly MessageEdit[]): Buffer {
  if (!edits.every(isHeaderEdit)) throw new TypeError('an edit of the content needs the whole message')
  return editMessage(section, edits)
}

/**
 * Applies edits, in their order, each to the result of the one before. The same message and edits give the same
 * octets. Where nothing changes it returns the same buffer.
 *
 * Texts and links within signed and encrypted parts stay; attachments there are stripped and renamed.
 *
 * @param message without byte-stuffing, however malformed
 * @returns for edits with the reach `header` exactly the edited header section and then the body
 * @throws TypeError for a name of a header field that is none: whoever loads names has checked them
 */
export function editMessage(message: Buffer, edits: readonly MessageEdit[]): Buffer {
  return editAbridged(unabridged(message), edits).octets
}

/**
 * The same for a message that is not all here: what is not stays as it is, or is gone with the part that it is of.
 * Texts that are not all here are not changed.
 *
 * @returns the same octets and gaps where nothing changes
 */
export function editAbridged(message: Abridged, edits: readonly MessageEdit[]): Abridged {
  let parts = split(message)
  for (const edit of edits) {
    if (isHeaderEdit(edit)) parts = { ...parts, header: editHeader(parts.header, edit) }
    else parts = split(editContent(joined(parts), edit))
  }
  return joined(parts)
}

/** Kept apart, so that edits of the header do not copy the body each. */
interface Parts {
  readonly header: Buffer
  readonly body: Buffer
  /** What they were split from, and which header section that was. */
  readonly whole: Abridged
  readonly wholeHeader: Buffer
}

function split(whole: Abridged): Parts {
  const { octets } = whole
  const end = headerEnd(octets)
  const header = octets.subarray(0, end)
  return { header, body: octets.subarray(end), whole, wholeHeader: header }
}

function joined({ header, body, whole, wholeHeader }: Parts): Abridged {
  if (header === wholeHeader) return whole
  const gaps = gapsMoved(whole.gaps, header.length - wholeHeader.length)
  return { octets: Buffer.concat([header, body]), gaps }
}

function isHeaderEdit(edit: MessageEdit): edit is HeaderEdit {
  switch (edit.type) {
    case 'add-header':
    case 'set-header':
    case 'remove-header':
    case 'tag-subject':
      return true
    case 'replace-text':
    case 'strip-attachments':
    case 'rename-attachments':
    case 'disarm-links':
    case 'notice':
      return false
  }
}

function editHeader(header: Buffer, edit: HeaderEdit): Buffer {
  switch (edit.type) {
    case 'add-header':
      return withFieldAdded(header, edit.name, edit.value)
    case 'set-header':
      return withField(header, edit.name, edit.value)
    case 'remove-header':
      return withoutFields(header, isNamed(edit.name))
    case 'tag-subject':
      return withSubjectTagged(header, edit.tag)
  }
}

function editContent(message: Abridged, edit: ContentEdit): Abridged {
  switch (edit.type) {
    case 'replace-text':
      return withTextReplaced(message, edit.replace)
    case 'strip-attachments':
      return withoutAttachments(message, edit.isMeant, edit.text)
    case 'rename-attachments':
      return withAttachmentsRenamed(message, edit.isMeant, edit.suffix)
    case 'disarm-links':
      return withLinksDisarmed(message)
    case 'notice':
      return unabridged(noticeOf(headerOf(message.octets), edit.text))
  }
}

function headerOf(message: Buffer): Buffer {
  return message.subarray(0, headerEnd(message))
}
