/**
 * Attachments taken out or renamed, each in its place: the parts around them, the boundaries and what stands before
 * and behind them are not touched. Applies within signed parts too: a dangerous file is no less so with a signature,
 * which does not hold any more afterwards. Parts beyond {@link MailLimits}, and those of a message that is itself
 * encoded, are not seen and stay.
 */
import { type Abridged, splicedAbridged } from './abridged.js'
import { parseParameters } from './display.js'
import { isNamed, withFieldsChanged } from './edit-header.js'
import { oneLine } from './encode-field.js'
import { EDIT_LIMITS, type EditLimits, MAIL_LIMITS } from './limits.js'
import { type Attachment, describeMessage } from './message.js'
import { textPart, withTextInstead } from './notice.js'
import type { MimePart } from './outline.js'
import { withParameter } from './parameters.js'
import type { Splice } from './splices.js'

/**
 * Puts a text part in the place of each attachment that is meant. A message that is itself an attachment keeps the
 * fields of its header section, except for those that told of its content.
 *
 * @param message without byte-stuffing
 * Never fails.
 */
export function withoutAttachments(
  message: Abridged,
  isMeant: (attachment: Attachment) => boolean,
  text: string,
): Abridged {
  const splices: Splice[] = []
  visitAttachments(message, isMeant, (part, isMessage) => {
    const octets = insteadOf(message.octets, part, isMessage, text)
    splices.push({ start: part.start, end: part.bodyEnd, octets })
    return 'behind'
  })
  return splicedAbridged(message, splices)
}

/**
 * Puts a suffix behind the file name of each attachment that is meant, wherever its header names it. A name that ends
 * with the suffix is written anew all the same: readers differ in what they take for the name.
 *
 * @param message without byte-stuffing
 * Never fails.
 */
export function withAttachmentsRenamed(
  message: Abridged,
  isMeant: (attachment: Attachment) => boolean,
  suffix: string,
  limits: EditLimits = EDIT_LIMITS,
): Abridged {
  const splices: Splice[] = []
  visitAttachments(message, isMeant, (part) => {
    const section = message.octets.subarray(part.start, part.header.end)
    const changed = renamed(section, suffix, limits)
    if (changed !== section) splices.push({ start: part.start, end: part.header.end, octets: changed })
    return 'inside'
  })
  return splicedAbridged(message, splices)
}

/** @param visit tells whether to go on with the parts within this one, or behind it */
function visitAttachments(
  message: Abridged,
  isMeant: (attachment: Attachment) => boolean,
  visit: (part: MimePart, isMessage: boolean) => 'inside' | 'behind',
): void {
  const { outline, attachments } = describeMessage(message.octets, MAIL_LIMITS, message.gaps)
  const meant = new Set(attachments.filter(isMeant).map(({ path }) => path))
  const walk = (part: MimePart, isMessage: boolean): void => {
    if (meant.has(part.path) && visit(part, isMessage) === 'behind') return
    for (const child of part.children) walk(child, part.type === 'message/rfc822')
  }
  if (meant.size > 0) walk(outline.root, true)
}

function insteadOf(message: Buffer, part: MimePart, isMessage: boolean, text: string): Buffer {
  const whole = isMessage
    ? withTextInstead(message.subarray(part.start, part.header.end), text)
    : partOf(textPart(text))
  // The line end before a boundary belongs to the boundary, unless the part was empty: then it is the part's own.
  const follows = message[part.bodyEnd]
  const hasLineEndBehind = follows === 0x0d || follows === 0x0a
  return hasLineEndBehind ? whole.subarray(0, whole.length - 2) : whole
}

function partOf({ fields, body }: ReturnType<typeof textPart>): Buffer {
  return Buffer.concat([fields, Buffer.from('\r\n'), body])
}

function renamed(section: Buffer, suffix: string, limits: EditLimits): Buffer {
  const change = (parameter: string) => (raw: Buffer) => {
    const name = parseParameters(raw.subarray(raw.indexOf(':') + 1)).parameter(parameter)
    return name === null ? raw : withParameter(raw, parameter, suffixed(name, suffix, limits))
  }
  const disposition = withFieldsChanged(section, isNamed('content-disposition'), change('filename'))
  return withFieldsChanged(disposition, isNamed('content-type'), change('name'))
}

function suffixed(name: string, suffix: string, limits: EditLimits): string {
  const end = oneLine(suffix)
  const whole = oneLine(name)
  const base = whole.endsWith(end) ? whole.slice(0, whole.length - end.length) : whole
  return `${beginningOf(base, limits.fileNameOctets)}${end}`
}

/** Whole characters. */
function beginningOf(text: string, octets: number): string {
  let kept = ''
  let length = 0
  for (const character of text) {
    length += Buffer.byteLength(character)
    if (length > octets) break
    kept += character
  }
  return kept
}
