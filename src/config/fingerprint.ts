/**
 * SHA-256 fingerprints of keys and certificates as other programs print them. Owns their spellings and the one
 * normal form that is compared; knows nothing of certificates.
 */

const SHA256_OCTETS = 32

/**
 * Reads the fingerprint of a certificate.
 *
 * @param text 64 hexadecimal digits in any case, with or without colons, as `openssl x509 -fingerprint -sha256` prints
 * @returns 64 lower-case digits without colons; null where it is no such fingerprint
 */
export function parseCertificateFingerprint(text: string): string | null {
  const digits = text.replace(/^sha256[:/ ]/i, '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(digits)) return digits
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/.test(digits) ? digits.replaceAll(':', '') : null
}

/**
 * Reads a pin: the fingerprint of a certificate (hexadecimal) or of its public key (base64, also with the
 * `sha256//` that curl puts before it).
 *
 * @returns lower-case digits without colons, or padded base64; null where it is neither
 */
export function parsePin(text: string): string | null {
  const fingerprint = parseCertificateFingerprint(text)
  if (fingerprint !== null) return fingerprint
  const encoded = text.replace(/^sha256\/\/?/i, '')
  const octets = Buffer.from(encoded, 'base64')
  // Buffer skips what is not base64, so the way back has to lead to the same text.
  const isExact =
    octets.length === SHA256_OCTETS &&
    octets.toString('base64').replace('=', '') === encoded.replace(/=$/, '')
  return isExact ? octets.toString('base64') : null
}
