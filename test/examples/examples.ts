/**
 * The sample rule files at the top of the repository, for tests: each as it stands, or changed where its comments say
 * that it is to be changed. Owns how a mail with attachments is written.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { RuleText } from '../../src/rules/rule-file.js'
import { loadRules } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import type { SessionRules } from '../../src/rules/verdict.js'
import { memoryCache, NOW } from '../rules/rules.js'

/** The folder that ships with the program. */
export const EXAMPLES = resolve(import.meta.dirname, '../../rules')

/** Names of all sample rule files, in the order in which a folder is read. */
export const EXAMPLE_FILES: readonly string[] = readdirSync(EXAMPLES)
  .filter((file) => file.endsWith('.yaml'))
  .sort()

/**
 * Reads a sample rule file.
 *
 * @param changes text that stands in it, and what a user puts in its place
 * @throws Error where the text does not stand there
 */
export function exampleText(file: string, changes: Readonly<Record<string, string>> = {}): RuleText {
  let text = readFileSync(join(EXAMPLES, file), 'utf8')
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${file} does not say ${from}`)
    text = text.replaceAll(from, to)
  }
  return { file, text }
}

/** The rules of a sample rule file, with a memory of their own. */
export function exampleRules(
  file: string,
  changes: Readonly<Record<string, string>> = {},
  now: () => number = () => NOW,
): SessionRules {
  return createSessionRules(loadRules([exampleText(file, changes)]), memoryCache(), now)
}

/** A mail by its header fields; a line of text is its body. */
export function mailOf(fields: readonly string[], body = 'Hello.'): string {
  return [...fields, '', body, ''].join('\r\n')
}

/** A mail with one attachment. @param disposition what stands behind `attachment`, such as `; filename=a.txt` */
export function mailWith(
  disposition: string,
  type = 'application/octet-stream',
  octets: Uint8Array = Buffer.from('TVqQAAMAAAAEAAAA', 'base64'),
): string {
  return mailOf(
    ['From: a@example.org', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
    [
      '--b',
      '',
      'See attachment.',
      '--b',
      `Content-Type: ${type}`,
      `Content-Disposition: attachment${disposition}`,
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(octets)
        .toString('base64')
        .replace(/.{76}(?=.)/g, '$&\r\n'),
      '--b--',
    ].join('\r\n'),
  )
}
