/**
 * Key and certificate files on disk: who may read them, and how they are created. Owns permissions and the
 * messages about them; knows nothing of what the keys are for.
 */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { CertificateError, shellWord } from './certificate-error.js'

/** Who beside its owner may read a key file. */
export type KeyReaders =
  /** Nobody: the authority's key. */
  | 'owner'
  /** The group too, where it cannot write: systemd's LoadCredential hands over 0440 of root, Debian's ssl-cert 0640. */
  | 'group'

// Bits of a file's mode that no key may have, by who may read it.
const FORBIDDEN = { owner: 0o077, group: 0o027 } as const

/**
 * Reads a file of PEM text.
 *
 * @throws CertificateError where it cannot be read
 */
export function readPemFile(file: string): string {
  return readChecked(file, null)
}

/**
 * Reads a file with a private key, after a look at who else can read it.
 *
 * @throws CertificateError where it cannot be read, or others can read it
 */
export function readKeyFile(file: string, readers: KeyReaders): string {
  return readChecked(file, readers)
}

/**
 * Takes the private key out of PEM text.
 *
 * @throws CertificateError where there is none or it needs a passphrase
 */
export function parseKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    const isLocked = /ENCRYPTED/.test(pem)
    const problem = isLocked
      ? 'the private key is protected by a passphrase'
      : 'holds no readable private key'
    const cure = isLocked
      ? `write it without: openssl pkey -in ${shellWord(file)} -out KEYFILE`
      : 'it must be PEM and begin with -----BEGIN PRIVATE KEY-----'
    throw new CertificateError(file, problem, cure, { cause })
  }
}

/**
 * Takes all certificates out of PEM text, in their order.
 *
 * @throws CertificateError where there is none or one is damaged
 */
export function parseCertificates(
  file: string,
  pem: string,
): readonly [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const cure =
    'it must be PEM and begin with -----BEGIN CERTIFICATE-----, the certificate of the server first'
  try {
    const [first, ...rest] = blocks.map((block) => new X509Certificate(block))
    if (first !== undefined) return [first, ...rest]
  } catch (cause) {
    throw new CertificateError(file, 'holds a damaged certificate', cure, { cause })
  }
  throw new CertificateError(file, 'holds no certificate', cure)
}

/**
 * Creates a file whole or not at all, with its mode from the first octet on whatever the umask (which can only
 * take away).
 *
 * @param existing what to do with a file of this name: `keep` refuses, `replace` puts the new one in its place
 * @throws CertificateError where it exists, or cannot be written
 */
export function createFile(
  file: string,
  contents: string | Buffer,
  mode: 0o600 | 0o644,
  existing: 'keep' | 'replace',
): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    const descriptor = openSync(draft, 'wx', mode)
    try {
      writeFileSync(descriptor, contents)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    // A link refuses an existing name in one step; looking first would leave a gap.
    if (existing === 'keep') linkSync(draft, file)
    else renameSync(draft, file)
  } catch (cause) {
    throw errorCode(cause) === 'EEXIST'
      ? new CertificateError(file, 'exists already', 'choose another name, or say --force to replace it', {
          cause,
        })
      : unusable(file, 'cannot be written', cause)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** The code of a system error, such as `ENOENT`; null for anything else. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

function readChecked(file: string, readers: KeyReaders | null): string {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (cause) {
    throw unusable(file, 'cannot be read', cause)
  }
  try {
    if (readers !== null) checkMode(file, fstatSync(descriptor).mode, readers)
    return readFileSync(descriptor, 'utf8')
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause
    throw unusable(file, 'cannot be read', cause)
  } finally {
    closeSync(descriptor)
  }
}

function checkMode(file: string, mode: number, readers: KeyReaders): void {
  // Windows reports 0666 for everything and keeps its permissions elsewhere.
  if (process.platform === 'win32' || (mode & FORBIDDEN[readers]) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  const whom = (mode & 0o007) !== 0 ? 'others than its owner' : 'its group'
  throw new CertificateError(
    file,
    `the private key is open to ${whom} (mode ${shown})`,
    `close it with: chmod 600 ${shellWord(file)} (and replace the key if somebody may have read it)`,
  )
}

function unusable(file: string, problem: string, cause: unknown): CertificateError {
  const code = errorCode(cause)
  const cure =
    code === 'ENOENT'
      ? 'there is no such file or folder'
      : code === 'EACCES' || code === 'EPERM'
        ? 'the user that runs postern lacks the permission'
        : code === 'EISDIR'
          ? 'it is a folder'
          : String(cause instanceof Error ? cause.message : cause)
  return new CertificateError(file, problem, cure, { cause })
}
