/**
 * Which real programs and which real mail a test may count on. Owns the one rule for what is missing: a test
 * is skipped and says so where somebody has not installed a program, and fails where the whole set was promised.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

const CORPUS = resolve(import.meta.dirname, '../../../shared/corpus')

const told = new Set<string>()

/** Prints a reason once a process, so that a skipped test never passes in silence. */
function tell(reason: string): void {
  if (told.has(reason)) return
  told.add(reason)
  console.warn(`skipped: ${reason}`)
}

/**
 * Finds a program as a shell would, in `PATH` and where Debian keeps its daemons.
 *
 * @returns the absolute path, or null where no such program may be executed
 */
export function findProgram(name: string): string | null {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  for (const directory of directories) {
    if (directory === '') continue
    const candidate = join(directory, name)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      // Not here; the next directory may have it.
    }
  }
  return null
}

/**
 * Tells whether all the named programs are installed, for `test.skipIf(!realThing('dovecot', 'curl'))`.
 *
 * @returns false where one is missing, after saying which
 * @throws Error where one is missing although `POSTERN_REQUIRE_REAL=1` promises them all, as `.ci/run` does
 */
export function realThing(...names: readonly string[]): boolean {
  const missing = names.filter((name) => findProgram(name) === null)
  if (missing.length === 0) return true
  const reason = `${missing.join(', ')} not installed; "apt-get install dovecot-pop3d fetchmail mpop mutt curl openssl python3 jq clamav-daemon rspamd spamd python3-dkim python3-authres" brings what the interoperability tests use`
  if (process.env.POSTERN_REQUIRE_REAL === '1') throw new Error(`POSTERN_REQUIRE_REAL=1, but ${reason}`)
  tell(reason)
  return false
}

/** One mail of the corpus, octet for octet as it is on disk. */
export interface CorpusMail {
  readonly file: string
  readonly content: Buffer
}

/**
 * Tells whether the mail corpus lies beside the repository. A clone of its own does not have it.
 *
 * @returns false where it is absent, after saying so
 * @throws Error where it is absent in CI, which has it
 */
export function haveCorpus(): boolean {
  if (existsSync(CORPUS)) return true
  const reason = 'no mail corpus beside the repository (../shared/corpus)'
  if (process.env.CI === 'true') throw new Error(`CI=true, but there is ${reason}`)
  tell(reason)
  return false
}

/** Reads the corpus, in the order of its file names. */
export function readCorpus(): readonly CorpusMail[] {
  return readdirSync(CORPUS)
    .filter((file) => file.endsWith('.eml'))
    .sort()
    .map((file) => ({ file, content: readFileSync(join(CORPUS, file)) }))
}
