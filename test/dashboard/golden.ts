/**
 * Golden screens: what a screen looked like when a person last looked at it and found it right. A test compares exactly;
 * `POSTERN_UPDATE_GOLDENS=1 npx vitest run test/dashboard` writes them anew, to be read before they are committed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'

const GOLDENS = join(import.meta.dirname, 'goldens')

/**
 * Compares rows of a screen, as text, with `goldens/<name>.txt`.
 *
 * @throws where there is no such golden, unless goldens are being written
 */
export function expectGolden(name: string, rows: readonly string[]): void {
  const file = join(GOLDENS, `${name}.txt`)
  const text = rows.map((line) => `${line}\n`).join('')
  if (process.env.POSTERN_UPDATE_GOLDENS === '1') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return
  }
  expect(text).toBe(readFileSync(file, 'utf8'))
}
