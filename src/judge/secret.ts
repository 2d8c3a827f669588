/**
 * Passwords and tokens that judges want, from where a rule file says that they stand. They are read for each question,
 * so that a new one is in force at once and none stays in memory. What a secret is, is in no trouble.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { JudgeSecret } from '../rules/judge-settings.js'
import { safeText } from '../trace/safe-text.js'
import type { Trouble } from './adapter.js'
import { SECRET_CHARACTERS } from './limits.js'

const CONTROLS = /\p{Cc}/u
const MOST_OCTETS_OF_A_CHARACTER = 4
const LINE_END_OCTETS = 2

/**
 * Reads a secret.
 *
 * @param environment where variables are looked up
 * @returns its one line, without line end; or the trouble: it is not there, or not one line of 1 to
 *   {@link SECRET_CHARACTERS} characters. Never rejects.
 */
export async function readSecret(
  secret: JudgeSecret,
  environment: NodeJS.ProcessEnv,
): Promise<string | Trouble> {
  if (typeof secret === 'string') return secret
  if ('file' in secret) {
    const place = `the file ${safeText(secret.file)}`
    const text = await readText(secret.file)
    return typeof text === 'string' ? lineOf(text, place) : missing(`${place} ${text.trouble}`)
  }
  const place = `the environment variable ${secret.env}`
  const text = environment[secret.env]
  return text === undefined ? missing(`${place} is not set`) : lineOf(text, place)
}

function lineOf(text: string, place: string): string | Trouble {
  const line = text.replace(/\r?\n$/, '')
  if (line === '') return missing(`${place} is empty`)
  if (line.length <= SECRET_CHARACTERS && !CONTROLS.test(line)) return line
  return missing(`${place} holds something else than one line of at most ${SECRET_CHARACTERS} characters`)
}

function missing(why: string): Trouble {
  return { trouble: `cannot be asked without its secret: ${why}` }
}

async function readText(path: string): Promise<string | Trouble> {
  try {
    // A pipe that nobody writes into would never open.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!(await file.stat()).isFile()) return { trouble: 'is no file' }
      const octets = Buffer.alloc(SECRET_CHARACTERS * MOST_OCTETS_OF_A_CHARACTER + LINE_END_OCTETS)
      const { bytesRead } = await file.read(octets, 0, octets.length, 0)
      return octets.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    return { trouble: `cannot be read: ${safeText(reasonOf(error))}` }
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOENT') return 'there is none of that name'
  if (code === 'EACCES') return 'no permission'
  return error instanceof Error ? error.message : String(error)
}
