/**
 * Octets of any charset as text. Owns which decoder serves which name, and what stands for a charset that is missing,
 * unknown or a lie. The text is not harmless yet: that is up to whoever shows it.
 */
import { isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'

/**
 * Names that promise less than mail under them contains: senders of the octets 0x80 to 0x9f mean windows-1252, which
 * equals ISO 8859-1 elsewhere. Read literally they would be C1 controls.
 */
const SUPERSETS: ReadonlyMap<string, string> = new Map([
  ['iso-8859-1', 'windows-1252'],
  ['latin1', 'windows-1252'],
  ['latin-1', 'windows-1252'],
  ['ks_c_5601-1987', 'cp949'],
  ['gb2312', 'gb18030'],
])

/** Encodings of iconv-lite that are no charsets. */
const NO_CHARSETS: ReadonlySet<string> = new Set(['base64', 'hex', 'binary'])

const UNLABELLED: ReadonlySet<string> = new Set(['', 'us-ascii', 'ascii', 'utf-8', 'utf8', 'unknown-8bit'])

/**
 * Decodes octets.
 *
 * @param charset as a message names it; null where it names none
 * @returns text; what is not of the charset is U+FFFD
 * Never fails.
 */
export function decodeCharset(octets: Buffer, charset: string | null): string {
  const name = charset?.trim().toLowerCase() ?? ''
  if (UNLABELLED.has(name))
    return isUtf8(octets) ? octets.toString('utf8') : iconv.decode(octets, 'windows-1252')
  const meant = SUPERSETS.get(name) ?? name
  if (!NO_CHARSETS.has(meant) && iconv.encodingExists(meant)) return iconv.decode(octets, meant)
  return decodeByPlatform(octets, meant)
}

/** iconv-lite lacks ISO 2022; the platform has it. Of what iconv-lite has, the platform of Node 20 decodes some wrongly. */
function decodeByPlatform(octets: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(octets)
  } catch {
    return decodeCharset(octets, null)
  }
}

/** Text that can become octets again. */
export interface EditableText {
  readonly text: string
  /**
   * Encodes a text in the place of this one.
   *
   * @returns its octets, and the charset that has to be named for them; null where the name that was there is right
   */
  encode(text: string): EncodedText
}

export interface EncodedText {
  readonly octets: Buffer
  readonly charset: string | null
}

/**
 * Decodes octets for a change. Unlike {@link decodeCharset} it replaces nothing: a charset that does not fit is told.
 *
 * @param charset as a message names it; null where it names none
 * @returns null where the charset is unknown or the octets are not of it, so that no change could keep the rest
 * Never fails.
 */
export function decodeForChange(octets: Buffer, charset: string | null): EditableText | null {
  // A comment may stand behind it. RFC 2045 §5.1.
  const name = /^[^\s(;]*/.exec(charset?.trim().toLowerCase() ?? '')?.[0] ?? ''
  const codecs = codecsOf(name)
  for (const [index, codec] of codecs.entries()) {
    const text = decodeWhole(octets, codec)
    // C1 controls are no text: the octets mean another charset, where one is left.
    if (/[\x80-\x9f]/.test(text) && index + 1 < codecs.length) continue
    if (iconv.encode(text, codec).equals(octets)) return editable(text, codecs.slice(0, index + 1))
  }
  // Octets that mean a text but are not the only ones for it: the text is kept by other octets.
  const text = decodeFaithfully(octets, name, codecs)
  return text === null ? null : editable(text, [])
}

/**
 * Takes each octet for a character, so that what is ASCII can be changed in any charset that extends it. Characters
 * beyond U+00FF in the changed text become question marks.
 */
export function octetsForChange(octets: Buffer): EditableText {
  return {
    text: octets.toString('latin1'),
    encode: (text) => ({
      octets: Buffer.from(text.replace(/[^\x00-\xff]/gu, '?'), 'latin1'),
      charset: null,
    }),
  }
}

/** What a name may stand for, the narrowest first: whoever lies about the charset goes on with the same lie. */
function codecsOf(name: string): readonly string[] {
  if (name === 'utf-8' || name === 'utf8') return ['utf8', 'windows-1252']
  if (UNLABELLED.has(name)) return ['ascii', 'utf8', 'windows-1252']
  const superset = SUPERSETS.get(name)
  const codecs = superset === undefined ? [name] : [name, superset, name]
  return codecs.filter((codec) => !NO_CHARSETS.has(codec) && iconv.encodingExists(codec))
}

function editable(text: string, codecs: readonly string[]): EditableText {
  return {
    text,
    encode: (changed) => {
      for (const codec of codecs) {
        const octets = iconv.encode(changed, codec)
        if (decodeWhole(octets, codec) === changed) return { octets, charset: null }
      }
      return { octets: Buffer.from(changed, 'utf8'), charset: 'utf-8' }
    },
  }
}

function decodeWhole(octets: Buffer, codec: string): string {
  return iconv.decode(octets, codec, { stripBOM: false })
}

/** @returns null where anything had to be replaced */
function decodeFaithfully(octets: Buffer, name: string, codecs: readonly string[]): string | null {
  const codec = codecs.at(-1)
  if (codec !== undefined) {
    const text = decodeWhole(octets, codec)
    return text.includes('\ufffd') ? null : text
  }
  if (NO_CHARSETS.has(name)) return null
  try {
    return new TextDecoder(name, { fatal: true }).decode(octets)
  } catch {
    return null
  }
}
