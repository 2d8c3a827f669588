/**
 * Certificates that the administrator brings along for a listener: read, checked for what would fail later, and
 * joined where an RSA and an EC certificate stand for the same names.
 */
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { isoDate } from './authority.js'
import { CertificateError } from './certificate-error.js'
import { parseCertificates, parseKey, readKeyFile, readPemFile } from './key-file.js'

/** Where one certificate and its key are. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** Certificates for one set of names, at most one for each type of key. */
export interface OwnCertificate {
  readonly parts: readonly [OwnCertificatePart, ...OwnCertificatePart[]]
  /** Tells whether the certificate stands for a name in the form of `certificateName`. */
  covers(name: string): boolean
}

/** One certificate of the set with its key. */
export interface OwnCertificatePart {
  readonly certificate: X509Certificate
  /** The certificate and what stands above it in its file, PEM. */
  readonly chainPem: string
  readonly keyPem: string
  /** As `KeyObject.asymmetricKeyType`, such as `rsa` or `ec`. */
  readonly keyType: string
}

/** Own certificates with what should be said about them at start. */
export interface OwnCertificates {
  readonly certificates: readonly OwnCertificate[]
  /** One sentence each, such as a certificate that has expired. */
  readonly warnings: readonly string[]
}

const SOON_MS = 14 * 86_400_000

/**
 * Reads certificates with their chains and keys.
 *
 * @throws CertificateError where a file cannot be read, a key is open to others, or the two do not belong together
 * An expired certificate is only warned about: old clients take it, and no start is worse than a late renewal.
 */
export function readOwnCertificates(files: readonly CertificateFiles[], now: Date): OwnCertificates {
  const groups: [OwnCertificatePart, ...OwnCertificatePart[]][] = []
  const warnings: string[] = []
  for (const pair of files) {
    const part = readPair(pair)
    warnings.push(...validityWarnings(pair.certFile, part.certificate, now))
    const partner = groups.find((group) => group.every((other) => completes(other, part)))
    if (partner === undefined) groups.push([part])
    else partner.push(part)
  }
  return { certificates: groups.map(join), warnings }
}

function readPair({ certFile, keyFile }: CertificateFiles): OwnCertificatePart {
  const chain = parseCertificates(certFile, readPemFile(certFile))
  const keyPem = readKeyFile(keyFile, 'group')
  const key = parseKey(keyFile, keyPem)
  const [certificate] = chain
  if (!certificate.checkPrivateKey(key))
    throw new CertificateError(
      keyFile,
      `the private key does not belong to the certificate in ${certFile}`,
      'name the key that the certificate was made for; the certificate of the server must stand first in its file',
    )
  const chainPem = chain.map((one) => one.toString()).join('')
  return { certificate, chainPem, keyPem, keyType: key.asymmetricKeyType ?? 'unknown' }
}

function completes(one: OwnCertificatePart, other: OwnCertificatePart): boolean {
  return (
    one.certificate.subjectAltName === other.certificate.subjectAltName &&
    one.certificate.subjectAltName !== undefined &&
    one.keyType !== other.keyType
  )
}

function join(parts: readonly [OwnCertificatePart, ...OwnCertificatePart[]]): OwnCertificate {
  const covers = (name: string): boolean => parts.some((part) => certificateCovers(part.certificate, name))
  return { parts, covers }
}

/** Tells whether a certificate stands for a DNS name or IP address; a wildcard is a whole left label or none. */
export function certificateCovers(certificate: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  return certificate.checkHost(name, { wildcards: true, partialWildcards: false }) !== undefined
}

function validityWarnings(file: string, certificate: X509Certificate, now: Date): string[] {
  const until = new Date(certificate.validTo)
  if (until <= now)
    return [`${file}: the certificate expired on ${isoDate(certificate.validTo)}; clients will refuse it`]
  if (new Date(certificate.validFrom) > now)
    return [
      `${file}: the certificate is valid only from ${isoDate(certificate.validFrom)} on; look at the clock`,
    ]
  if (until.getTime() - now.getTime() < SOON_MS)
    return [`${file}: the certificate expires on ${isoDate(certificate.validTo)}; renew it`]
  return []
}
