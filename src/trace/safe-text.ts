/**
 * The one place where text from the wire becomes text that a log, a terminal or an error may show. Owns what
 * counts as harmful; knows nothing of who prints it.
 */
import { isUtf8 } from 'node:buffer'

/** Code points that text shown to a person may be long, unless the caller says otherwise. */
export const SAFE_TEXT_CODE_POINTS = 512

const PLAIN_ASCII = /^[\x20-\x7e]*$/
// Controls (C0, DEL, C1), formats (bidi, zero-width, tags), surrogates without a partner, private use, line and
// paragraph separators: each can move a cursor, forge a line, disguise an address or recolour a screen.
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu

/**
 * Makes text from the wire harmless to terminals, logs and line-based readers, and bounds its length.
 *
 * @param value octets (read as UTF-8, or as Latin-1 where they are not UTF-8) or text
 * @param maximum code points to keep; what is cut off is counted at the end
 * @returns one line without control, format or bidi characters: `\x1b` stands for ESC, `\u{202e}` for RLO
 * Never fails.
 */
export function safeText(value: string | Buffer, maximum: number = SAFE_TEXT_CODE_POINTS): string {
  if (typeof value === 'string') return harmless(value, 0, maximum)
  const octets = cutOctets(value, maximum)
  return harmless(decodeText(octets), value.length - octets.length, maximum)
}

/**
 * Decodes octets for display: UTF-8 where they are valid UTF-8, otherwise Latin-1, so that no octet vanishes.
 */
export function decodeText(octets: Buffer): string {
  return octets.toString(isUtf8(octets) ? 'utf8' : 'latin1')
}

/**
 * Octets are cut before they are decoded: a code point has at most four of them. The cut goes before the one it
 * would split, without which long UTF-8 were no UTF-8 any more.
 */
function cutOctets(octets: Buffer, maximum: number): Buffer {
  const most = maximum * 4 + 4
  if (octets.length <= most) return octets
  let end = most
  while (end > most - 3 && isContinuation(octets[end])) end -= 1
  return octets.subarray(0, isContinuation(octets[end]) ? most : end)
}

function isContinuation(octet: number | undefined): boolean {
  return octet !== undefined && (octet & 0xc0) === 0x80
}

function harmless(text: string, cutOff: number, maximum: number): string {
  if (cutOff === 0 && text.length <= maximum && PLAIN_ASCII.test(text)) return text
  const kept = cutTo(text, maximum)
  const rest = text.length - kept.length + cutOff
  const shown = kept.replace(HARMFUL, escapeCharacter)
  return rest === 0 ? shown : `${shown}… (+${rest})`
}

function cutTo(text: string, maximum: number): string {
  if (text.length <= maximum) return text
  const last = text.charCodeAt(maximum - 1)
  const splitsPair = last >= 0xd800 && last <= 0xdbff
  return text.slice(0, splitsPair ? maximum - 1 : maximum)
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
