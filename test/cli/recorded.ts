/** Runs `postern read`, `postern export` and `postern rules` in this process, on recordings that a test writes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { vi } from 'vitest'
import { registerExport } from '../../src/cli/export.js'
import { describeFailure, exitCodeOf } from '../../src/cli/failure.js'
import { registerRead } from '../../src/cli/read.js'
import { registerRules } from '../../src/cli/rules.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { recordingHeader, recordingLine } from '../../src/trace/recording.js'

export interface Outcome {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs one command line; what went wrong is worded as the program words it. */
export async function postern(...arguments_: readonly string[]): Promise<Outcome> {
  const stdout: Buffer[] = []
  const stderr: string[] = []
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      stdout.push(Buffer.from(chunk))
      return true
    }),
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      stderr.push(String(chunk))
      return true
    }),
  ]
  let code = 0
  try {
    const program = new Command('postern').exitOverride()
    const report = (reported: number): void => {
      code = reported
    }
    registerRead(program, report)
    registerExport(program, report)
    registerRules(program, report)
    await program.parseAsync([...arguments_], { from: 'user' })
  } catch (error) {
    code = exitCodeOf(error)
    stderr.push(describeFailure(error))
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return { code, stdout: Buffer.concat(stdout), stderr: stderr.join('') }
}

/** A directory of files for one test. */
export class Files {
  readonly directory = mkdtempSync(join(tmpdir(), 'postern-recorded-'))

  path(name: string): string {
    return join(this.directory, name)
  }

  write(name: string, octets: Buffer | string): string {
    writeFileSync(this.path(name), octets)
    return this.path(name)
  }

  recording(name: string, events: readonly TraceEvent[]): string {
    return this.write(name, recordingText(events))
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function recordingText(events: readonly TraceEvent[]): string {
  return recordingHeader('postern test', 0) + events.map(recordingLine).join('')
}

/** The same events under another session's id. */
export function asSession(id: string, events: readonly TraceEvent[]): readonly TraceEvent[] {
  return events.map((event) => ({ ...event, session: id }))
}
