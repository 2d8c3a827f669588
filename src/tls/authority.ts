/**
 * The local authority: a root certificate and its key in a folder of their own, made once and trusted by the
 * clients of one house. Owns its files, their permissions and the signing of leaves; does not decide for whom
 * a leaf is minted.
 */
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CertificateError, shellWord } from './certificate-error.js'
import { createFile, errorCode, parseCertificates, parseKey, readKeyFile } from './key-file.js'
import { certificateName, printable } from './names.js'
import { canSign, type NameConstraints, readNameConstraints, writeCertificate } from './write-certificate.js'

/** File with the authority's private key and certificate. */
export const AUTHORITY_KEY_FILE = 'postern-ca.pem'
/** File with the authority's certificate alone, for clients to install. */
export const AUTHORITY_CERTIFICATE_FILE = 'postern-ca-cert.pem'

const DAY_MS = 86_400_000
// As long as mitmproxy's: every renewal means a visit to every client of the house.
const AUTHORITY_DAYS = 3_650
// Browsers and Apple refuse leaves above 398 days; the backdated day counts.
const LEAF_DAYS = 396
// A client whose clock is slow by less than this still accepts a certificate made a moment ago.
const BACKDATED_DAYS = 1

/** Choices at the making of an authority. */
export interface AuthorityOptions {
  /** DNS names (with all below them) and IP addresses beyond which clients shall not believe it; empty: none. */
  readonly constrainTo?: readonly string[]
  /** Replaces an authority that is there already. */
  readonly existing?: 'keep' | 'replace'
}

/** An authority that can sign leaves. */
export interface Authority {
  readonly certificate: X509Certificate
  readonly certificatePem: string
  /** The private key; leaves the process only through `postern ca export --with-key`. */
  readonly key: KeyObject
  /** Folder it was read from; null for one that exists in memory only. */
  readonly directory: string | null
  /** Names it is constrained to; null where it may issue for any. */
  readonly constrainedTo: NameConstraints | null
  /** Tells whether clients that honour its constraints would believe a leaf for this name. */
  permits(name: string): boolean
  /**
   * Signs a leaf for a server.
   *
   * @param names DNS names and IP addresses, as `certificateName` returns them; at least one
   * @returns PEM; valid for at most 397 days and never beyond the authority itself
   */
  issue(names: readonly string[], publicKey: KeyObject, now: Date): string
}

/**
 * Makes an authority in a folder, which is created 0700 where it is missing.
 *
 * @throws CertificateError where one exists (unless told to replace it), the folder is open to others' writing,
 *   a name to constrain to is none, or the folder cannot be written
 */
export function createAuthority(directory: string, options: AuthorityOptions = {}): Authority {
  const made = makeAuthority(directory, options.constrainTo ?? [])
  const existing = options.existing ?? 'keep'
  prepareDirectory(directory)
  createFile(
    join(directory, AUTHORITY_KEY_FILE),
    made.key.export({ type: 'pkcs8', format: 'pem' }) + made.certificatePem,
    0o600,
    existing,
  )
  // A certificate without its key is of no use, so one left behind may go.
  createFile(join(directory, AUTHORITY_CERTIFICATE_FILE), made.certificatePem, 0o644, 'replace')
  return made
}

/**
 * Reads the authority of a folder.
 *
 * @throws CertificateError where there is none, its key is readable by others, or it is damaged, expired or no
 *   authority at all
 */
export function loadAuthority(directory: string, now: Date = new Date()): Authority {
  const file = join(directory, AUTHORITY_KEY_FILE)
  if (!existsSync(file))
    throw new CertificateError(
      file,
      'there is no local authority',
      `make one with: postern ca init --dir ${shellWord(directory)}`,
    )
  const pem = readKeyFile(file, 'owner')
  const renew = `make a new one with: postern ca init --force --dir ${shellWord(directory)} (clients must install it again)`
  const key = parseKey(file, pem)
  const [certificate] = parseCertificates(file, pem)
  if (!certificate.ca) throw new CertificateError(file, 'the certificate is not that of an authority', renew)
  if (!certificate.checkPrivateKey(key))
    throw new CertificateError(file, 'the private key does not belong to the certificate', renew)
  if (!canSign(key))
    throw new CertificateError(
      file,
      `the private key is of type ${key.asymmetricKeyType}, not RSA or EC`,
      renew,
    )
  if (new Date(certificate.validTo) <= now)
    throw new CertificateError(file, `the authority expired on ${isoDate(certificate.validTo)}`, renew)
  if (new Date(certificate.validFrom) > now)
    throw new CertificateError(
      file,
      `the authority is valid only from ${isoDate(certificate.validFrom)} on`,
      `look at the clock of this machine, which says ${now.toISOString()}`,
    )
  return assemble(certificate, key, directory)
}

/** Reads the authority of a folder, or makes one where there is none. */
export function loadOrCreateAuthority(directory: string): Authority {
  if (existsSync(join(directory, AUTHORITY_KEY_FILE))) return loadAuthority(directory)
  try {
    return createAuthority(directory)
  } catch (error) {
    // Two processes may start at the same moment; the second takes what the first has made.
    const raced = error instanceof CertificateError && errorCode(error.cause) === 'EEXIST'
    if (!raced) throw error
    return loadAuthority(directory)
  }
}

/** Makes an authority that is gone with the process. */
export function memoryAuthority(): Authority {
  return makeAuthority(null, [])
}

/** The day of a certificate's date, in UTC, as `2026-01-02`. */
export function isoDate(date: string): string {
  return new Date(date).toISOString().slice(0, 10)
}

function makeAuthority(directory: string | null, constrainTo: readonly string[]): Authority {
  const names = constrainTo.map((text) => {
    const name = certificateName(text)
    if (name !== null) return name
    throw new CertificateError(
      null,
      `cannot constrain an authority to "${printable(text)}"`,
      'name a domain or an IP address',
    )
  })
  // RSA and not EC: clients old enough to need postern often know nothing else.
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const now = Date.now()
  const pem = writeCertificate(
    {
      subject: [
        { name: 'organizationName', value: 'postern' },
        // The machine tells apart the authorities that one client may have installed. At most 64 characters.
        { name: 'commonName', value: printable(`postern local authority on ${hostname()}`, 64) },
      ],
      notBefore: new Date(now - BACKDATED_DAYS * DAY_MS),
      notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
      publicKey,
      kind: { type: 'authority', constrainTo: names },
    },
    privateKey,
  )
  return assemble(new X509Certificate(pem), privateKey, directory)
}

function assemble(certificate: X509Certificate, key: KeyObject, directory: string | null): Authority {
  const constrainedTo = readNameConstraints(certificate)
  const lastMoment = new Date(certificate.validTo).getTime()
  return {
    certificate,
    certificatePem: certificate.toString(),
    key,
    directory,
    constrainedTo,
    permits: (name) => constrainedTo === null || constrainedTo.some((base) => isWithin(name, base)),
    issue: (names, publicKey, now) => {
      const [first] = names
      if (first === undefined) throw new RangeError('a leaf needs a name')
      // Very old clients read nothing but the common name. Quirk: OpenSSL takes an address there for a DNS name
      // and finds it outside of the constraints.
      const isMisread = constrainedTo !== null && isIP(first) !== 0
      const subject = first.length <= 64 && !isMisread ? first : 'postern'
      return writeCertificate(
        {
          subject: [{ name: 'commonName', value: subject }],
          notBefore: new Date(now.getTime() - BACKDATED_DAYS * DAY_MS),
          notAfter: new Date(Math.min(now.getTime() + LEAF_DAYS * DAY_MS, lastMoment)),
          publicKey,
          kind: { type: 'server', names },
        },
        { certificate, key },
      )
    },
  }
}

function isWithin(name: string, base: string): boolean {
  return name === base || (isIP(name) === 0 && isIP(base) === 0 && name.endsWith(`.${base}`))
}

/**
 * Whoever may write to the folder can put another authority in the place of ours. A folder of our own is closed
 * by us (a git checkout has `certs/` open to the group); of any other we only say what is wrong with it.
 */
function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const isOurs = readdirSync(directory).every((name) =>
      /^(README\.md|\.gitignore|postern-ca.*)$/.test(name),
    )
    if (isOurs) chmodSync(directory, 0o700)
    if (process.platform === 'win32' || (statSync(directory).mode & 0o022) === 0) return
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new CertificateError(
      directory,
      `the folder cannot be made ready: ${problem}`,
      'name another one with --dir',
      { cause },
    )
  }
  throw new CertificateError(
    directory,
    'others may write to the folder of the authority',
    `close it with: chmod 700 ${shellWord(directory)}`,
  )
}
