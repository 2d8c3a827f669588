/**
 * The one exception of this folder: a certificate, key or authority of ours that cannot be used. Peers'
 * certificates never raise it; they are answered by a {@link TlsFailure}.
 */

/** A certificate, key or authority that stops the start (exit status 5), with what mends it. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
  readonly code = 'POSTERN_CERTIFICATE'

  /** The file at fault, null where there is none. */
  readonly file: string | null
  /** What was found, without the file's name. */
  readonly problem: string
  /** What the administrator can do, a command to paste where there is one. */
  readonly cure: string

  constructor(file: string | null, problem: string, cure: string, options?: ErrorOptions) {
    super(`${file === null ? '' : `${file}: `}${problem}; ${cure}`, options)
    this.file = file
    this.problem = problem
    this.cure = cure
  }
}

/** Quotes a file name for a command that people paste into a shell. */
export function shellWord(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`
}
