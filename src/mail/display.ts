/**
 * Header fields as a person reads them: unfolded, encoded-words decoded, addresses told apart from the names that
 * only claim to be some, one harmless line each.
 */
import { isUtf8 } from 'node:buffer'
import libmime from 'libmime'
import { safeText } from '../trace/safe-text.js'
import { decodeCharset } from './charset.js'
import { MAIL_LIMITS, type MailLimits } from './limits.js'

const ADDRESS_FIELDS: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'resent-from',
  'resent-sender',
  'resent-to',
  'resent-cc',
  'resent-bcc',
])

/**
 * Decodes the body of a field for display.
 *
 * @param name of the field, in any case: those of RFC 5322 §3.6.2 and §3.6.3 hold addresses
 * @param body octets behind the colon, folding and line end included
 * @returns one harmless line; what is left out is counted at its end
 * Never fails. RFC 2047.
 */
export function displayField(name: string, body: Buffer, limits: MailLimits = MAIL_LIMITS): string {
  const looked = body.subarray(0, limits.fieldOctets)
  const text = unfold(looked)
  const shown = ADDRESS_FIELDS.has(name.toLowerCase())
    ? displayAddresses(text, limits.addresses)
    : decodeWords(text)
  const rest = body.length - looked.length
  return safeText(shown, limits.fieldCharacters) + (rest === 0 ? '' : `… (+${rest} octets)`)
}

/**
 * Decodes the body of a field that holds text, such as Subject, to compare it.
 *
 * @returns the text, not harmless: controls and line ends of encoded-words are in it; of a field beyond its bound the beginning
 * Never fails. RFC 2047.
 */
export function textOfField(body: Buffer, limits: MailLimits = MAIL_LIMITS): string {
  return decodeWords(unfold(body.subarray(0, limits.fieldOctets)))
}

/** Takes the folding out of the body of a field. RFC 5322 §2.2.3. */
export function unfold(body: Buffer): string {
  return decodeCharset(body, null)
    .replace(/\r?\n(?=[ \t])/g, '')
    .trim()
}

/** A parameter and the value before the first of them, such as `text/plain` and `charset`. */
export interface ParameterizedValue {
  /** In lower case; empty where there is none. */
  readonly value: string
  /** Decoded, not harmless yet; null for one that is absent. RFC 2231. */
  parameter(name: string): string | null
  /** The octets that a parameter stands for, where they have to be compared. */
  octetsOf(name: string): Buffer | null
}

/** Reads a field such as Content-Type. Never fails. RFC 2045 §5.1. */
export function parseParameters(body: Buffer, limits: MailLimits = MAIL_LIMITS): ParameterizedValue {
  const looked = body.subarray(0, limits.fieldOctets)
  const { value, params } = parseHeaderValue(unfold(looked))
  const raw = (name: string): string | null => (Object.hasOwn(params, name) ? (params[name] ?? null) : null)
  return {
    value: value.toLowerCase(),
    parameter: (name) => {
      const found = raw(name)
      // Quirk: many clients put encoded-words into parameters, which RFC 2047 §5 forbids; all others decode them.
      return found === null ? null : decodeWords(found)
    },
    octetsOf: (name) => {
      const found = raw(name)
      return found === null ? null : Buffer.from(found, isUtf8(looked) ? 'utf8' : 'latin1')
    },
  }
}

function parseHeaderValue(text: string): { readonly value: string; readonly params: Record<string, string> } {
  try {
    const { value, params } = libmime.parseHeaderValue(text)
    return { value: typeof value === 'string' ? value : '', params }
  } catch {
    return { value: '', params: {} }
  }
}

/** The result may hold anything, controls and line ends included: it is made harmless by whoever returns it. */
function decodeWords(text: string): string {
  if (!text.includes('=?')) return text
  try {
    // See charset.ts for why ISO 8859-1 is not taken literally.
    return libmime.decodeWords(text.replace(/=\?(?:iso-8859-1|latin-?1)(?=[?*])/gi, '=?windows-1252'))
  } catch {
    return text
  }
}

/**
 * Decodes the name of each address by itself, after the addresses are told apart: an encoded-word that decodes to
 * `boss@example.org, ` or `<boss@example.org>` stays within its name. RFC 2047 §5 (3).
 */
function displayAddresses(text: string, maximum: number): string {
  const addresses = splitAddresses(text)
  const shown = addresses.slice(0, maximum).map(displayAddress).join(', ')
  const rest = addresses.length - maximum
  return rest > 0 ? `${shown}… (+${rest} addresses)` : shown
}

/** Splits at commas outside of quoted strings, comments and angle brackets. RFC 5322 §3.4. */
function splitAddresses(text: string): readonly string[] {
  const found: string[] = []
  let begin = 0
  let quoted = false
  let comments = 0
  let angle = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (character === '\\') at += 1
    else if (character === '=' && text[at + 1] === '?') at = behindWord(text, at) - 1
    else if (quoted) quoted = character !== '"'
    else if (character === '(') comments += 1
    else if (character === ')') comments = Math.max(0, comments - 1)
    else if (comments > 0) continue
    else if (character === '"') quoted = true
    else if (character === '<') angle = true
    else if (character === '>') angle = false
    else if (character === ',' && !angle) {
      found.push(text.slice(begin, at).trim())
      begin = at + 1
    }
  }
  found.push(text.slice(begin).trim())
  return found.filter((address) => address !== '')
}

/** An encoded-word is one piece, though commas are forbidden in it where it stands for a name. RFC 2047 §5 (3). */
function behindWord(text: string, at: number): number {
  ENCODED_WORD.lastIndex = at
  return ENCODED_WORD.test(text) ? ENCODED_WORD.lastIndex : at + 1
}

const ENCODED_WORD = /=\?[\w*-]+\?[QqBb]\?[^?]*\?=/y
const SPECIALS = /[()<>[\]:;@\\,"]/

function displayAddress(address: string): string {
  const angle = address.lastIndexOf('<')
  if (angle <= 0) return decodeWords(address)
  const phrase = address.slice(0, angle).trim()
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(phrase)?.[1]
  const name = decodeWords(quoted === undefined ? phrase : quoted.replace(/\\(.)/g, '$1'))
  const shown = SPECIALS.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name
  return `${shown} ${address.slice(angle)}`
}
