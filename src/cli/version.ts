/**
 * Name and version of this program, as package.json has them.
 */
import { readFileSync } from 'node:fs'

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const contents: unknown = JSON.parse(text)
  const isPackage = typeof contents === 'object' && contents !== null && 'version' in contents
  return isPackage ? String(contents.version) : 'unknown'
}

export const VERSION = readVersion()

/** For first lines of files and the like: `postern 0.1.0`. */
export const PROGRAM = `postern ${VERSION}`
