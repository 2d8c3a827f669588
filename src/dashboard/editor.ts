/**
 * Runs a person's editor on octets. Owns the temporary file: readable for its owner only, and gone whatever happens.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './terminal.js'

/** Where an editor runs. */
export interface EditorPlace {
  readonly environment: Environment
  /** `inherit` where the terminal is the process's own; else the editor has none. */
  readonly stdio: 'inherit' | 'ignore'
}

/** An editor that runs. */
export interface RunningEditor {
  /**
   * What the editor left.
   *
   * Rejects with an Error whose message is one line for a person: the editor is missing or failed.
   */
  readonly left: Promise<Buffer>
  /** Ends the editor and removes the file, at once. */
  abandon(): void
}

/**
 * Starts $VISUAL, $EDITOR or vi on octets. Both variables may hold arguments, as everywhere.
 */
export function openEditor(octets: Buffer, { environment, stdio }: EditorPlace): RunningEditor {
  const editor =
    [environment.VISUAL, environment.EDITOR].find((name) => name !== undefined && name !== '') ?? 'vi'
  let folder: string | null = null
  let child: ChildProcess | null = null
  const left = (async () => {
    // Readable for its owner only, as every folder that mkdtemp makes.
    folder = await mkdtemp(join(tmpdir(), 'postern-'))
    try {
      const file = join(folder, 'held.eml')
      await writeFile(file, octets, { mode: 0o600, flag: 'wx' })
      child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio, env: { ...environment } })
      await ended(child, editor)
      return await readFile(file)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })()
  return {
    left,
    abandon() {
      child?.kill()
      if (folder !== null) rmSync(folder, { recursive: true, force: true })
    },
  }
}

function ended(child: ChildProcess, editor: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`the editor ${editor} cannot be started: ${error.message}`)),
    )
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`
      if (code === 0) resolve()
      // What a shell says for a command that is not there.
      else if (code === 127)
        reject(new Error(`there is no editor ${editor}: set EDITOR to one that is installed`))
      else reject(new Error(`nothing was sent: the editor ended with ${how} (${editor})`))
    })
  })
}
