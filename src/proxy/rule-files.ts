/**
 * Where rules come from: files, and the *.yaml of directories in order of name. Owns reading them within bounds and the
 * look-out for changes; knows nothing of what they say.
 */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { FILE_CHARACTERS } from '../rules/limits.js'
import type { RuleText } from '../rules/rule-file.js'

/** Rule files that cannot be read, with what was found instead. */
export class RuleFileError extends Error {
  override readonly name = 'RuleFileError'
}

/** Files of one directory; more are no rules but a mistaken path. */
export const MOST_RULE_FILES = 500
/** UTF-8 takes up to three octets for a character of the file's bound. */
const MOST_OCTETS = FILE_CHARACTERS * 3
const RULE_FILE = /^[^.].*\.ya?ml$/i
/** Editors write, rename and remove within some milliseconds. */
const SETTLES_MS = 100

/**
 * Reads rule files.
 *
 * @param paths absolute; a directory stands for its *.yaml in order of name, but not for what is below it
 * @param directory that names in messages are relative to where they lie within it; absolute
 * @returns in the order of `paths`
 * @throws RuleFileError where a path cannot be read, is too large, or there are too many
 */
export function readRuleFiles(paths: readonly string[], directory: string): readonly RuleText[] {
  const files = paths.flatMap((path) => filesAt(path, shownAs(path, directory)))
  return files.map((path) => ({
    file: shownAs(path, directory),
    text: readBounded(path, shownAs(path, directory)),
  }))
}

function filesAt(path: string, shown: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    const names = readdirSync(path).filter((name) => RULE_FILE.test(name))
    if (names.length > MOST_RULE_FILES)
      throw problem(shown, `${names.length} rule files`, `at most ${MOST_RULE_FILES} in a directory`)
    return names.sort().map((name) => join(path, name))
  } catch (error) {
    if (error instanceof RuleFileError) throw error
    throw problem(shown, reasonOf(error), 'a rule file, or a directory of *.yaml')
  }
}

function readBounded(path: string, shown: string): string {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) throw problem(shown, 'something else than a file', 'a rule file')
    if (stats.size > MOST_OCTETS) throw problem(shown, `${stats.size} octets`, `at most ${MOST_OCTETS}`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof RuleFileError) throw error
    throw problem(shown, reasonOf(error), 'a file that can be read')
  }
}

function problem(file: string, found: string, expected: string): RuleFileError {
  return new RuleFileError(`${file}: found ${found}, expected ${expected}`)
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOENT') return 'nothing of that name'
  if (code === 'EACCES') return 'no permission to read it'
  return error instanceof Error ? error.message : String(error)
}

function shownAs(path: string, directory: string): string {
  const from = relative(directory, path)
  return from === '' || from.startsWith(`..${sep}`) || from === '..' ? path : from
}

/** Watches rule files until it is closed. */
export class RuleFileWatch {
  readonly #watchers: FSWatcher[] = []
  readonly #onChange: () => void
  #timer: NodeJS.Timeout | null = null

  /**
   * @param paths absolute
   * @param onChange called once for changes that come together; that something changed is not certain
   * @param onBlind called where a path cannot be watched, with the reason; then only a signal reads it again
   */
  constructor(
    paths: readonly string[],
    onChange: () => void,
    onBlind: (path: string, reason: string) => void,
  ) {
    this.#onChange = onChange
    for (const path of paths) this.#watch(path, onBlind)
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Directories, not files: a file's watch goes blind at the first editor that renames. */
  #watch(path: string, onBlind: (path: string, reason: string) => void): void {
    try {
      const isDirectory = statSync(path).isDirectory()
      const watcher = watch(isDirectory ? path : dirname(path), (_event, name) => {
        if (name === null || (isDirectory ? RULE_FILE.test(name) : name === basename(path))) this.#changed()
      })
      watcher.on('error', (error) => onBlind(path, reasonOf(error)))
      watcher.unref()
      this.#watchers.push(watcher)
    } catch (error) {
      onBlind(path, reasonOf(error))
    }
  }

  #changed(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#onChange()
    }, SETTLES_MS).unref()
  }
}
