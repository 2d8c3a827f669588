/**
 * What the codec knows of SASL: the base64 framing of RFC 5034 §4, and which part of a response names the user.
 * Opens secrets for that one purpose; knows no mechanism well enough to speak it.
 */
import { declassify, type Secret } from './secret.js'

/** Whether the octets are base64 as RFC 4648 §4 writes it: nothing else, padded, padding at the end only. */
export function isBase64Line(octets: Buffer, from: number, to: number): boolean {
  if ((to - from) % 4 !== 0) return false
  let end = to
  if (end > from && octets[end - 1] === 0x3d) end -= 1
  if (end > from && octets[end - 1] === 0x3d) end -= 1
  for (let index = from; index < end; index += 1) {
    const octet = octets[index] ?? 0
    const isLetter = (octet >= 0x41 && octet <= 0x5a) || (octet >= 0x61 && octet <= 0x7a)
    const isDigitOrSign = (octet >= 0x2f && octet <= 0x39) || octet === 0x2b
    if (!isLetter && !isDigitOrSign) return false
  }
  return true
}

/**
 * Finds the user name in a SASL response, for the log and for rules.
 *
 * @param mechanism upper-case mechanism name
 * @param step 0 for the initial response, counting the client's responses
 * @param response the base64 line, or `=` for an empty one
 * @returns the authentication identity, or null where this step of this mechanism has none or the line is not
 * base64: what a lenient decoder makes of a password in clear is no name
 * PLAIN: RFC 4616 §2. CRAM-MD5: RFC 2195 §2. SCRAM: RFC 5802 §7. OAUTHBEARER: RFC 7628 §3.1.
 */
export function userOfSaslResponse(mechanism: string, step: number, response: Secret): string | null {
  const octets = declassify(response)
  if (octets.length === 0 || !isBase64Line(octets, 0, octets.length)) return null
  const decoded = Buffer.from(octets.toString('latin1'), 'base64')
  const text = decoded.toString('utf8')
  const user = userIn(mechanism, step, text)
  return user === null || user === '' || user.length > 320 ? null : user
}

function userIn(mechanism: string, step: number, text: string): string | null {
  if (mechanism === 'PLAIN') {
    const parts = text.split('\0')
    return parts.length === 3 ? (parts[1] ?? null) : null
  }
  if (mechanism === 'LOGIN') return step === 0 ? text : null
  if (mechanism === 'CRAM-MD5') {
    const blank = text.lastIndexOf(' ')
    return blank > 0 ? text.slice(0, blank) : null
  }
  if (mechanism.startsWith('SCRAM-')) {
    const found = step === 0 ? /^[nyp][^,]*,[^,]*,n=([^,]*),r=/.exec(text) : null
    return found?.[1]?.replaceAll('=2C', ',').replaceAll('=3D', '=') ?? null
  }
  if (mechanism === 'DIGEST-MD5') return /(?:^|,)\s*username="([^"]*)"/.exec(text)?.[1] ?? null
  if (mechanism === 'XOAUTH2') return /^user=([^\u0001]*)\u0001/.exec(text)?.[1] ?? null
  if (mechanism === 'OAUTHBEARER') return /^n,a=([^,]*),/.exec(text)?.[1] ?? null
  return null
}

// A verb glued to its password, as in PASSsesame, is a secret whole; a server may tell the two apart.
const GLUED_VERB = /^(?:pass|apop|auth|rpop)\s*(.+)$/is

/** Shorter parts of a secret stand in any text by chance. */
const MINIMUM_PART_OCTETS = 3
/** A pass phrase has words such as "has" and "have" in it, which servers write too. */
const MINIMUM_WORD_OCTETS = 5

const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u

/**
 * Tells whether a text repeats a secret: whole, one longer word of several, or a part of it decoded from base64.
 * Servers write `-ERR unknown command: PAS hunter2`.
 *
 * @param text Latin-1 text of a reply, or text that was decoded as UTF-8 since
 */
export function repeatsSecret(text: string, secret: Secret): boolean {
  const octets = declassify(secret)
  const raw = octets.toString('latin1').trim()
  if (raw === '') return false
  if (text.includes(raw) || text.includes(octets.toString('utf8').trim())) return true
  const rest = GLUED_VERB.exec(raw)?.[1] ?? ''
  if (rest.length >= MINIMUM_PART_OCTETS && standsIn(text, rest)) return true
  if (repeatsWord(text, raw)) return true
  if (raw.length < 4 || !isBase64Line(octets, 0, octets.length)) return false
  const decoded = Buffer.from(raw, 'base64')
  for (const encoding of ['utf8', 'latin1'] as const) {
    for (const part of decoded.toString(encoding).split(/[\0\u0001,]/))
      if (part.length >= MINIMUM_PART_OCTETS && text.includes(part)) return true
  }
  return false
}

function repeatsWord(text: string, raw: string): boolean {
  const words = raw.split(/\s+/)
  if (words.length === 1) return false
  return words
    .flatMap((word) => [word, GLUED_VERB.exec(word)?.[1] ?? ''])
    .some((word) => word.length >= MINIMUM_WORD_OCTETS && standsIn(text, word))
}

/** Whether a text has these words as words of their own, not within longer ones. */
function standsIn(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    const neighbours =
      text.slice(Math.max(0, at - 1), at) + text.slice(at + words.length, at + words.length + 1)
    if (!LETTER_OR_DIGIT.test(neighbours)) return true
  }
  return false
}
