/**
 * Text parts of a message decoded, changed and encoded again, where something changed. Owns which parts are text, and
 * how their charset and transfer encoding stay what they were as far as the changed text allows.
 *
 * What is within multipart/signed or multipart/encrypted stays: a change would break the signature, and who reads the
 * message would take it for forged. A part beyond {@link MailLimits}, whose header does not end, whose base64 goes on
 * behind its padding, or that is not all here, stays too.
 */
import { type Abridged, gapsWithin, splicedAbridged } from './abridged.js'
import { decodeForChange, type EditableText, octetsForChange } from './charset.js'
import { hasField, isNamed, withField, withFieldAdded, withFieldsChanged } from './edit-header.js'
import { EDIT_LIMITS, type EditLimits } from './limits.js'
import { disarmHtml, disarmText } from './links.js'
import { isAttachment } from './message.js'
import { type MimePart, mimeOutline } from './outline.js'
import { withParameter } from './parameters.js'
import { decodePart } from './part.js'
import type { Splice } from './splices.js'
import { encodeTransfer, isWhollyDecoded } from './transfer.js'

/**
 * Changes the text of each part of type text that is no attachment.
 *
 * @param message without byte-stuffing
 * @param replace gets the whole text of a part, HTML with its tags, line ends as they are
 * @returns the same message where nothing changed; a part of an unknown charset, or not of the one it names, stays
 * Never fails, unless `replace` does. RFC 2045, RFC 2046 §4.1.
 */
export function withTextReplaced(
  message: Abridged,
  replace: (text: string) => string,
  limits: EditLimits = EDIT_LIMITS,
): Abridged {
  return withTextsChanged(message, limits, {
    isMeant: (part) => !isAttachment(part),
    decode: decodeForChange,
    change: replace,
  })
}

/**
 * Makes links in text parts ones that nobody follows by a click. Parts with a file name are changed too, since many
 * clients show them in line, unless they call themselves attachments. Where a charset is unknown, what is ASCII in
 * the octets is read as such: a client would do so too.
 *
 * @param message without byte-stuffing
 * Never fails.
 */
export function withLinksDisarmed(message: Abridged, limits: EditLimits = EDIT_LIMITS): Abridged {
  return withTextsChanged(message, limits, {
    isMeant: (part) => part.disposition !== 'attachment',
    decode: (octets, charset) => decodeForChange(octets, charset) ?? octetsForChange(octets),
    change: (text, part) => (part.type.includes('html') ? disarmHtml(text) : disarmText(text)),
  })
}

/** How texts are changed. */
interface TextChange {
  isMeant(part: MimePart): boolean
  decode(octets: Buffer, charset: string | null): EditableText | null
  change(text: string, part: MimePart): string
}

function withTextsChanged(message: Abridged, limits: EditLimits, how: TextChange): Abridged {
  const splices: Splice[] = []
  const walk = (part: MimePart): void => {
    if (SEALED.has(part.type)) return
    if (part.type.startsWith('text/') && how.isMeant(part))
      splices.push(...changesOf(message, part, limits, how))
    part.children.forEach(walk)
  }
  walk(mimeOutline(message.octets).root)
  return splicedAbridged(message, splices)
}

const SEALED: ReadonlySet<string> = new Set(['multipart/signed', 'multipart/encrypted'])
/** Transferred octets that may stand for one decoded octet. */
const MOST_ENCODED = 4

function changesOf(
  { octets: message, gaps }: Abridged,
  part: MimePart,
  limits: EditLimits,
  how: TextChange,
): readonly Splice[] {
  if (gapsWithin(gaps, part.bodyStart, part.bodyEnd).length > 0) return []
  const body = message.subarray(part.bodyStart, part.bodyEnd)
  if (!part.header.isComplete || body.length > limits.textOctets * MOST_ENCODED) return []
  if (!isWhollyDecoded(body, part.encoding)) return []
  const content = decodePart(message, part)
  if (content.length > limits.textOctets) return []
  const decoded = how.decode(content, part.charset)
  if (decoded === null) return []
  const text = withSoundLines(how.change(decoded.text, part), decoded.text)
  if (text === decoded.text) return []

  const encoded = decoded.encode(text)
  const transferred = encodeTransfer(encoded.octets, { octets: body, encoding: part.encoding })
  const encoding = transferred.encoding === part.encoding ? null : transferred.encoding
  const section = message.subarray(part.start, part.header.end)
  const changed = relabelled(section, part, encoded.charset, encoding)
  return [
    ...(changed === section ? [] : [{ start: part.start, end: part.bodyStart, octets: changed }]),
    { start: part.bodyStart, end: part.bodyEnd, octets: transferred.octets },
  ]
}

/** Line ends that a replacement brought become those of the text, and NUL a blank; what was there already stays. */
function withSoundLines(text: string, before: string): string {
  const withoutNul = before.includes('\0') ? text : text.replaceAll('\0', ' ')
  const hasBare = /\r(?!\n)|(?<!\r)\n/.test(before)
  if (!hasBare) return withoutNul.replace(/\r\n|\r|\n/g, '\r\n')
  return before.includes('\r') ? withoutNul : withoutNul.replace(/\r\n|\r/g, '\n')
}

/** Names another charset or encoding, null for the one that is named; only these fields change. */
function relabelled(
  section: Buffer,
  part: MimePart,
  charset: string | null,
  encoding: string | null,
): Buffer {
  if (charset === null && encoding === null) return section
  const named = charset === null ? section : withCharset(section, charset)
  const encoded = encoding === null ? named : withField(named, 'Content-Transfer-Encoding', encoding)
  // Without it, none of the fields of MIME counts. RFC 2045 §4.
  const needsVersion = part.depth === 0 && !hasField(encoded, 'MIME-Version')
  return needsVersion ? withFieldAdded(encoded, 'MIME-Version', '1.0') : encoded
}

function withCharset(section: Buffer, charset: string): Buffer {
  if (!hasField(section, 'Content-Type'))
    return withFieldAdded(section, 'Content-Type', `text/plain; charset=${charset}`)
  return withFieldsChanged(section, isNamed('content-type'), (raw) => withParameter(raw, 'charset', charset))
}
