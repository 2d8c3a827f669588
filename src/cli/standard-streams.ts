/**
 * What happens when the reader of stdout or stderr goes away. Without this, `postern config print | head` would
 * end with a stack trace and a log reader that dies would take every session with it.
 */
import { EXIT_CODES } from './exit-codes.js'

let isServing = false

/**
 * Takes errors of stdout and stderr from now on: a closed stdout ends the process quietly, unless
 * {@link outliveStdout} was called; everything else is ignored, as there is nowhere left to tell it.
 */
export function guardStandardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isServing) return
    process.exit(error.code === 'EPIPE' ? EXIT_CODES.success : EXIT_CODES.failure)
  })
  process.stderr.on('error', () => {})
}

/** From now on nobody has to read stdout: sessions are worth more than what is told about them. */
export function outliveStdout(): void {
  isServing = true
}

/** Writes a line for a person, beside the output that programs read. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}
