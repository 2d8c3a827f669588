/**
 * Fingerprints of the server's certificate and public key, and whether one of a list fits. Compares only;
 * what a fit or a misfit means is the caller's.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import { CertificateError } from './certificate-error.js'
import { printable } from './names.js'

/** The two fingerprints by which a certificate can be named. */
export interface Fingerprints {
  /** SHA-256 of the whole certificate, lower-case hex. */
  readonly certificate: string
  /** SHA-256 of its public key (SPKI), base64: the same for every renewal with the same key. */
  readonly publicKey: string
}

/** Takes the fingerprints of a certificate. */
export function fingerprints(certificate: X509Certificate): Fingerprints {
  return {
    certificate: createHash('sha256').update(certificate.raw).digest('hex'),
    publicKey: createHash('sha256')
      .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64'),
  }
}

/**
 * Brings pins into the form in which they are compared. A pin that fits nothing would shut out the server for
 * ever, or be taken for protection that is not there, so a malformed one stops the start.
 *
 * @param pins SPKI hashes in base64, also behind `sha256/`; or certificate hashes in hex, with or without colons
 * @throws CertificateError for what is neither
 */
export function readPins(pins: readonly string[]): ReadonlySet<string> {
  return new Set(pins.map((pin) => certificateHash(pin) ?? publicKeyHash(pin) ?? malformed(pin)))
}

/**
 * Brings fingerprints of certificates into the form in which they are compared: SHA-256 in hex, with or without
 * colons.
 *
 * @throws CertificateError for anything else
 */
export function readFingerprints(texts: readonly string[]): ReadonlySet<string> {
  return new Set(texts.map((text) => certificateHash(text) ?? malformed(text)))
}

/** Tells whether a list made by {@link readPins} names this certificate. */
export function isPinned(pins: ReadonlySet<string>, { certificate, publicKey }: Fingerprints): boolean {
  return pins.has(certificate) || pins.has(publicKey)
}

function certificateHash(text: string): string | null {
  const hex = withoutLabel(text).replaceAll(':', '').toLowerCase()
  return /^[0-9a-f]{64}$/.test(hex) ? hex : null
}

function publicKeyHash(text: string): string | null {
  const encoded = withoutLabel(text)
  return /^[A-Za-z0-9+/]{43}=?$/.test(encoded) ? `${encoded.replace(/=$/, '')}=` : null
}

function withoutLabel(text: string): string {
  return text.trim().replace(/^sha256(\/{1,2}|:)/i, '')
}

function malformed(text: string): never {
  throw new CertificateError(
    null,
    `"${printable(text, 80)}" is no SHA-256 fingerprint`,
    'a public key has 44 characters of base64, a certificate 64 of hexadecimal',
  )
}
