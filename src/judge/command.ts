/**
 * Any program as a judge: the message on its standard input, the verdict by its exit status. Owns the process and all
 * that it starts in its group; knows nothing of what the program does.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { exactPieces } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { safeText } from '../trace/safe-text.js'
import {
  type Adapter,
  answerOf,
  errorCode,
  firstLine,
  type Question,
  quoted,
  type Trouble,
} from './adapter.js'
import { type JudgeLimits, QUOTED_CODE_POINTS } from './limits.js'
import { readingTrouble, writePieces } from './write-pieces.js'

// The first line is all that is ever shown of an output.
const KEPT_OCTETS = 4_096

/** Where programs are found if postern itself has no PATH. */
const USUAL_PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * Asks a program, started without a shell, with nothing in its environment but `PATH`, `POSTERN_SESSION`,
 * `POSTERN_CLIENT`, `POSTERN_USER` (empty where not known) and `POSTERN_SERVICE`.
 *
 * @param writes what it writes on stdout: a finding, of which the first line is told, or a message, which may be longer
 *   than the one it was given by as much as any output; of one that does not lie in memory there is a bound of its own
 *   besides, since what is written is kept in memory
 * @returns `clean` for exit status 0, `bad` for 1, trouble for everything else
 */
export function command(
  program: string,
  args: readonly string[],
  writes: 'finding' | 'message',
  limits: JudgeLimits,
): Adapter {
  return {
    subject: `command ${safeText(program)}`,
    isToldUser: true,
    async ask(question, signal) {
      if (signal.aborted) return { trouble: 'was not waited for' }
      try {
        const child = spawn(program, args, {
          // A process group of its own, so that whatever it starts ends with it.
          detached: true,
          shell: false,
          stdio: ['pipe', 'pipe', 'pipe'],
          env: environmentOf(question),
        })
        return await follow(child, question.message, writes, signal, limits)
      } catch (error) {
        // A NUL in an argument, or no descriptors for its pipes.
        return startTrouble(error)
      }
    },
  }
}

function environmentOf({ about }: Question): Record<string, string> {
  return {
    PATH: process.env.PATH ?? USUAL_PATH,
    POSTERN_SESSION: safeText(about.session),
    POSTERN_CLIENT: safeText(about.client),
    POSTERN_USER: safeText(about.user ?? ''),
    POSTERN_SERVICE: safeText(about.service),
  }
}

/** Resolves once the program has ended and nothing of its group is left. */
async function follow(
  child: ChildProcessWithoutNullStreams,
  message: MessageSource,
  writes: 'finding' | 'message',
  signal: AbortSignal,
  limits: JudgeLimits,
): Promise<JudgeAnswer | Trouble> {
  return await new Promise((resolve) => {
    const writesMessage = writes === 'message'
    const { octets: most, text: mostText } = mostWritten(message, writesMessage, limits)
    const stdout = new FirstOctets(writesMessage ? most : KEPT_OCTETS)
    const stderr = new FirstOctets(KEPT_OCTETS)
    let written = 0
    let isTooMuch = false
    let unreadable: Trouble | null = null
    let ending: NodeJS.Timeout | undefined
    const kill = (): void => killGroup(child)
    const letGo = (): void => {
      child.stdin.destroy()
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const read = (output: FirstOctets, octets: Buffer): void => {
      output.add(octets)
      written += octets.length
      if (written <= most || isTooMuch) return
      isTooMuch = true
      kill()
    }
    const settle = (outcome: JudgeAnswer | Trouble): void => {
      clearTimeout(ending)
      signal.removeEventListener('abort', kill)
      resolve(outcome)
    }
    child.on('error', (error) => settle(startTrouble(error)))
    // Not started: there is nothing but the error to wait for, and without descriptors not even pipes.
    if (child.pid === undefined) return
    signal.addEventListener('abort', kill, { once: true })
    child.stdout.on('data', (octets: Buffer) => read(stdout, octets))
    child.stderr.on('data', (octets: Buffer) => read(stderr, octets))
    child.on('exit', () => {
      // What it left behind in its group holds the pipes open, and would outlive the question.
      kill()
      // What has come meanwhile is read first, however late this timer is.
      ending = setTimeout(() => setImmediate(letGo), limits.outputMs)
    })
    child.on('close', (status, killedBy) => {
      if (isTooMuch) settle({ trouble: `wrote more than ${mostText} and was killed` })
      else if (unreadable !== null) settle(unreadable)
      else settle(judgement(status, killedBy, stdout.octets, stderr.octets, writesMessage))
    })
    // A program may decide before it has read everything: EPIPE here says nothing against its verdict.
    child.stdin.on('error', () => {})
    const write = async (): Promise<void> => {
      if (await writePieces(exactPieces(message), child.stdin)) child.stdin.end()
    }
    write().catch((error: unknown) => {
      // It has decided without the rest, and its process id may be somebody else's by now.
      if (child.exitCode !== null || child.signalCode !== null) return
      // Killed before it sees the end of its input: what it says of a part is no verdict on the whole.
      unreadable = readingTrouble(error)
      kill()
    })
  })
}

/** How much a program may write, also in words. */
function mostWritten(
  message: MessageSource,
  writesMessage: boolean,
  { outputOctets, writtenMessageOctets }: JudgeLimits,
): { readonly octets: number; readonly text: string } {
  const octets = outputOctets + (writesMessage ? message.octets : 0)
  if (!writesMessage || message.inMemory !== null || octets <= writtenMessageOctets)
    return { octets, text: `${octets} octets` }
  const text = `${writtenMessageOctets} octets, the most that is kept in memory of a message so large,`
  return { octets: writtenMessageOctets, text }
}

function judgement(
  status: number | null,
  killedBy: NodeJS.Signals | null,
  stdout: Buffer,
  stderr: Buffer,
  writesMessage: boolean,
): JudgeAnswer | Trouble {
  const finding = writesMessage ? firstLine(stderr) : firstLine(stdout)
  if (status === 0 || status === 1) {
    const answer = answerOf(status === 0 ? 'clean' : 'bad', null, finding)
    return writesMessage ? { ...answer, output: messageOf(stdout) } : answer
  }
  const how = status === null ? `was ended by ${killedBy ?? 'a signal'}` : `ended with status ${status}`
  const said = firstLine(stderr).trim()
  // Unquoted: the tools of a system write these as sentences.
  return { trouble: said === '' ? how : `${how}: ${safeText(said, QUOTED_CODE_POINTS)}` }
}

/** RFC 5322 §2.1: lines end with CRLF. Programs of this system end them with LF. */
function messageOf(stdout: Buffer): Buffer | null {
  if (stdout.length === 0) return null
  return Buffer.from(stdout.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n'), 'latin1')
}

function startTrouble(error: unknown): Trouble {
  const code = errorCode(error)
  if (code === 'ENOENT') return { trouble: 'does not exist' }
  if (code === 'EACCES') return { trouble: 'may not be executed' }
  if (code === 'EMFILE') return { trouble: 'cannot be started: postern has no descriptors left' }
  return { trouble: `cannot be started: ${quoted(error instanceof Error ? error.message : String(error))}` }
}

function killGroup(child: ChildProcessWithoutNullStreams): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nothing of the group is left.
  }
}

/** The beginning of an output; the rest is read and forgotten, so that the program is never kept from writing. */
class FirstOctets {
  readonly #most: number
  #pieces: Buffer[] = []
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  get octets(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  add(octets: Buffer): void {
    const kept = octets.subarray(0, this.#most - this.#count)
    if (kept.length === 0) return
    this.#pieces.push(kept)
    this.#count += kept.length
  }
}
