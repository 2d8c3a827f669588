/**
 * Takes the picture of the dashboard that the README shows: the real program in a real (pseudo) terminal, opening a
 * recording that is always the same, and what its screen shows then.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInPty, until } from '../support/terminal.js'
import { afternoonRecording } from './afternoon.js'
import { svgOf } from './svg.js'

export const COLUMNS = 160
export const ROWS = 45

const TITLE = 'The dashboard of postern: sessions, the dialogue of one, and a message of it'

/** The picture in the repository. */
export const PICTURE = join(import.meta.dirname, 'dashboard.svg')

/**
 * Runs the built program and draws what it shows.
 *
 * @param main file of the program
 * @returns the picture, and the same as text
 */
export async function takePicture(main: string): Promise<{ readonly svg: string; readonly text: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-picture-'))
  const file = join(directory, 'afternoon.jsonl')
  writeFileSync(file, afternoonRecording())
  const program = runInPty(process.execPath, [main, 'read', file], { TZ: 'UTC', HOME: directory })
  try {
    program.process.resize(COLUMNS, ROWS)
    program.emulator.terminal.resize(COLUMNS, ROWS)
    const shown = (): Promise<string> => Promise.resolve(program.emulator.text())
    await until(shown, 'alice@example.org')
    // To the newest session, whose message stands in the third pane.
    program.process.write('G')
    const text = await until(
      shown,
      (screen) => screen.includes('Invoice 2026-1187') && screen.includes('alice'),
    )
    return { svg: svgOf(program.emulator.terminal, TITLE), text }
  } finally {
    program.process.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  }
}
