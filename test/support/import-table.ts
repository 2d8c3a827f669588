/**
 * The import table of `src/README.md` and what the sources really import. Owns the reading of both and the
 * comparison; the table itself, and so every rule, stands in the README.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'

/** One row of the table. */
export interface ImportRow {
  /** Folder directly below `src`, as `pop3`, or a file there, as `main.ts`. */
  readonly folder: string
  /** What it may import: folders and files below `src`, packages, `node:` modules. */
  readonly allowed: ReadonlySet<string>
  /** What it may import as types only. */
  readonly allowedTypes: ReadonlySet<string>
  /** Everything, or everything in rows above: both include any package. */
  readonly everything: 'no' | 'above' | 'all'
}

/** One import of a source file. */
export interface SourceImport {
  /** Path below `src`, with slashes. */
  readonly file: string
  readonly line: number
  readonly specifier: string
  /** Nothing of the import is left at run time. */
  readonly isTypeOnly: boolean
}

const BEGIN = '<!-- imports -->'
const END = '<!-- /imports -->'
const NODE_MODULES: ReadonlySet<string> = new Set(builtinModules)

/**
 * Reads the table between the markers `<!-- imports -->` and `<!-- /imports -->`: columns folder, owns, may
 * import. In the last one, names in backticks are allowed; "types" behind a name allows types alone; "everything"
 * and "everything above" mean what they say.
 *
 * @throws Error that says what is missing
 */
export function readImportTable(markdown: string): readonly ImportRow[] {
  const begin = markdown.indexOf(BEGIN)
  const end = markdown.indexOf(END, begin)
  if (begin < 0 || end < 0) throw new Error(`there is no table between ${BEGIN} and ${END}`)
  const lines = markdown.slice(begin + BEGIN.length, end).split('\n')
  const cells = lines.filter((line) => line.trim().startsWith('|')).map(cellsOf)
  const rows = cells.slice(2).map(rowOf)
  if (rows.length === 0) throw new Error(`the table between ${BEGIN} and ${END} has no rows`)
  return rows
}

function cellsOf(line: string): readonly string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim())
}

function rowOf(cells: readonly string[]): ImportRow {
  const [folder = '', , mayImport = ''] = cells
  const names = [...mayImport.matchAll(/`([^`]+)`(\s+types)?/g)]
  const nameOf = (found: RegExpExecArray): string => withoutSlash(found[1] ?? '')
  return {
    folder: withoutSlash(folder.replaceAll('`', '')),
    allowed: new Set(names.filter((found) => found[2] === undefined).map(nameOf)),
    allowedTypes: new Set(names.filter((found) => found[2] !== undefined).map(nameOf)),
    everything: /\beverything above\b/.test(mayImport)
      ? 'above'
      : /\beverything\b/.test(mayImport)
        ? 'all'
        : 'no',
  }
}

function withoutSlash(name: string): string {
  return name.replace(/^\.\//, '').replace(/\/$/, '')
}

/** Finds all imports of one source file: static, re-exported, for side effects, dynamic. Comments do not count. */
export function importsOf(file: string, source: string): readonly SourceImport[] {
  const code = withoutComments(source)
  const found: SourceImport[] = []
  const patterns: readonly RegExp[] = [
    /^[ \t]*(?:import|export)\b([^'"`;=]*?)\bfrom\s*['"]([^'"]+)['"]/gm,
    /^[ \t]*import\s*()['"]([^'"]+)['"]/gm,
    /\bimport\s*\(()\s*['"]([^'"]+)['"]/g,
  ]
  for (const pattern of patterns) {
    for (const match of code.matchAll(pattern)) {
      const line = code.slice(0, match.index).split('\n').length
      found.push({ file, line, specifier: match[2] ?? '', isTypeOnly: bindsTypesOnly(match[1] ?? '') })
    }
  }
  return found.sort((one, other) => one.line - other.line)
}

function bindsTypesOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1]
  const words =
    names
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '') ?? []
  return words.length > 0 && words.every((word) => word.startsWith('type '))
}

/** Blanks comments out, so that lines keep their numbers. Strings that hold comment signs stay as they are. */
function withoutComments(source: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
  return source.replace(/\/\*[\s\S]*?\*\/|(^|[\s;{}(,])\/\/[^\n]*/g, blank)
}

/** Reads the imports of all TypeScript files below `directory`. */
export function importsBelow(directory: string): readonly SourceImport[] {
  return filesBelow(directory).flatMap((file) => importsOf(file, readFileSync(join(directory, file), 'utf8')))
}

/** Paths of all TypeScript files below `directory`, with slashes, sorted. */
export function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
}

/**
 * Compares sources with the table.
 *
 * @param files paths below `src`
 * @returns one sentence for each fault: an import that the table does not allow, a folder that it lacks, a folder
 * that it has and `src` has not, and folders that may import each other at run time
 */
export function faultsIn(
  table: readonly ImportRow[],
  files: readonly string[],
  imports: readonly SourceImport[],
): readonly string[] {
  const rows = new Map(table.map((row) => [row.folder, row]))
  const folders = new Set(files.map(folderOf))
  const faults: string[] = []
  for (const folder of folders) {
    if (!rows.has(folder)) faults.push(`src/${folder} is not in the table`)
  }
  for (const row of table) {
    if (!folders.has(row.folder)) faults.push(`src/${row.folder} is in the table and not in src`)
  }
  for (const each of imports) {
    const row = rows.get(folderOf(each.file))
    if (row !== undefined && !isAllowed(row, table, each)) {
      const isTypes = each.isTypeOnly ? ' (types)' : ''
      faults.push(
        `src/${each.file}:${each.line} imports ${each.specifier}${isTypes}: not allowed to ${row.folder}`,
      )
    }
  }
  return [...faults, ...cyclesOf(table)]
}

function isAllowed(row: ImportRow, table: readonly ImportRow[], each: SourceImport): boolean {
  const isLocal = each.specifier.startsWith('.')
  const name = isLocal
    ? folderOf(posix.join(posix.dirname(each.file), each.specifier))
    : packageOf(each.specifier)
  if (isLocal && name === row.folder) return true
  if (row.allowed.has(name) || (each.isTypeOnly && row.allowedTypes.has(name))) return true
  if (row.everything === 'all') return true
  if (row.everything === 'no') return false
  const above = table.slice(0, table.indexOf(row))
  return !isLocal || above.some((other) => other.folder === name)
}

/** First part of a path below `src`; of a file that stands there itself, its name. */
function folderOf(path: string): string {
  const first = path.split('/')[0] ?? path
  return first.replace(/\.js$/, '.ts')
}

/** `pino/file` belongs to `pino`, `@scope/name/part` to `@scope/name`; a module of Node keeps its `node:`. */
function packageOf(specifier: string): string {
  if (NODE_MODULES.has(specifier)) return `node:${specifier}`
  if (specifier.startsWith('node:')) return specifier
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function cyclesOf(table: readonly ImportRow[]): readonly string[] {
  const allowedBy = new Map(table.map((row) => [row.folder, row.allowed]))
  const faults: string[] = []
  for (const { folder } of table) {
    const seen = new Set<string>()
    const next = [...(allowedBy.get(folder) ?? [])]
    for (let name = next.pop(); name !== undefined; name = next.pop()) {
      if (seen.has(name)) continue
      seen.add(name)
      next.push(...(allowedBy.get(name) ?? []))
    }
    if (seen.has(folder))
      faults.push(`src/${folder} may import itself by way of others: the table has a circle`)
  }
  return faults
}
