/**
 * The one exception of this folder: a quarantine that cannot be used as it is, or a name that means no message.
 */

/** A quarantine that cannot be used, with what mends it. */
export class QuarantineError extends Error {
  override readonly name = 'QuarantineError'
  readonly code = 'POSTERN_QUARANTINE'

  /** The file or folder at fault. */
  readonly file: string
  /** What was found, without the file's name. */
  readonly problem: string
  /** What a person can do, a command to paste where there is one. */
  readonly cure: string

  constructor(file: string, problem: string, cure: string, options?: ErrorOptions) {
    super(`${file}: ${problem}; ${cure}`, options)
    this.file = file
    this.problem = problem
    this.cure = cure
  }
}

/** Quotes a file name for a command that people paste into a shell. */
export function shellWord(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`
}

/** The code of a system error, such as `ENOENT`; null for anything else. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null
}

/** A system error in one sentence for a person. */
export function wordsOf(error: unknown): string {
  const words = WORDS.get(errorCode(error) ?? '')
  if (words !== undefined) return words
  return error instanceof Error ? error.message : String(error)
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the quota of the disk is used up'],
  ['EFBIG', 'the file would be larger than this process may write'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the file system is read-only'],
  ['EIO', 'the disk reports an error'],
  ['EMFILE', 'no descriptors left'],
  ['ENFILE', 'no descriptors left'],
  ['ENOENT', 'a folder of it is gone'],
  ['ENOTDIR', 'a folder of it is no folder any more'],
  ['ELOOP', 'a file of it is a symbolic link'],
])
