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
