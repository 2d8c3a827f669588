/**
 * Terminals for tests: an emulator in this process, a program in a pseudo terminal, a program in tmux. All wait for
 * what the screen shows, never for time.
 */
import { execFile } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import * as pty from '@lydell/node-pty'
import unicode11 from '@xterm/addon-unicode11'
import xterm from '@xterm/headless'
import type { TerminalSource, TerminalTarget } from '../../src/dashboard/screen.js'

/** How long a screen may take to show something, on a machine that does other things too. */
const PATIENCE_MS = 20_000

/** A terminal emulator: what a person would see. */
export class Emulator {
  readonly terminal: xterm.Terminal
  /** Everything that was written, for what a picture does not show. */
  written = ''

  constructor(columns: number, rows: number) {
    this.terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 0 })
    this.terminal.loadAddon(new unicode11.Unicode11Addon())
    this.terminal.unicode.activeVersion = '11'
  }

  /** Takes output, and returns once it is on the screen. */
  async write(octets: string | Uint8Array): Promise<void> {
    this.written += Buffer.from(octets).toString()
    await new Promise<void>((resolve) => this.terminal.write(octets, resolve))
  }

  /** The lines of the screen, trailing blanks cut. */
  lines(): readonly string[] {
    const { active } = this.terminal.buffer
    return Array.from(
      { length: this.terminal.rows },
      (_, row) => active.getLine(row)?.translateToString(true).trimEnd() ?? '',
    )
  }

  text(): string {
    return this.lines().join('\n')
  }

  /** Whether the program has the screen for itself. */
  get isAlternate(): boolean {
    return this.terminal.buffer.active.type === 'alternate'
  }

  /** A cell: its characters, and how they look. */
  cell(
    column: number,
    row: number,
  ): { readonly text: string; readonly hasColour: boolean; readonly isInverse: boolean } {
    const cell = this.terminal.buffer.active.getLine(row)?.getCell(column)
    return {
      text: cell?.getChars() ?? '',
      hasColour: cell !== undefined && (!cell.isFgDefault() || !cell.isBgDefault()),
      isInverse: (cell?.isInverse() ?? 0) !== 0,
    }
  }

  /**
   * Waits until the screen shows something.
   *
   * @throws Error with the screen that was there instead
   */
  async until(wanted: string | RegExp | ((text: string) => boolean)): Promise<string> {
    return await until(() => this.text(), wanted)
  }
}

export async function until(
  read: () => string | Promise<string>,
  wanted: string | RegExp | ((text: string) => boolean),
): Promise<string> {
  const holds = (text: string): boolean => {
    if (typeof wanted === 'string') return text.includes(wanted)
    return wanted instanceof RegExp ? wanted.test(text) : wanted(text)
  }
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const text = await read()
    if (holds(text)) return text
    if (performance.now() > end) throw new Error(`never shown: ${String(wanted)}\n${text}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The two streams of a terminal in this process, with the emulator behind them. */
export interface InProcessTerminal {
  readonly input: TerminalSource
  readonly output: TerminalTarget
  readonly emulator: Emulator
  /** Types keys as the octets that a terminal sends. */
  type(keys: string): void
  resize(columns: number, rows: number): void
}

/** Makes a terminal of a size, in this process. */
export function inProcessTerminal(columns: number, rows: number): InProcessTerminal {
  const emulator = new Emulator(columns, rows)
  const input = Object.assign(new PassThrough(), { isTTY: true, isRaw: false, setRawMode: () => undefined })
  const output = Object.assign(new PassThrough(), { isTTY: true, columns, rows })
  output.on('data', (octets: Buffer) => void emulator.write(octets))
  return {
    input,
    output,
    emulator,
    type: (keys) => void input.write(keys),
    resize(toColumns, toRows) {
      output.columns = toColumns
      output.rows = toRows
      // An emulator has at least two columns; the program is told the truth.
      emulator.terminal.resize(Math.max(2, toColumns), Math.max(1, toRows))
      output.emit('resize')
    },
  }
}

/** A program in a pseudo terminal. */
export interface PtyProgram {
  readonly emulator: Emulator
  readonly process: pty.IPty
  readonly ended: Promise<{ readonly exitCode: number; readonly signal: number | undefined }>
}

/** Runs a program in a pseudo terminal of 80x24. */
export function runInPty(
  program: string,
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): PtyProgram {
  const emulator = new Emulator(80, 24)
  const child = pty.spawn(program, [...parameters], {
    name: 'xterm-256color',
    cols: 80,
    rows: 24,
    env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8', TERM: 'xterm-256color', ...environment },
  })
  child.onData((text) => void emulator.write(text))
  const ended = new Promise<{ exitCode: number; signal: number | undefined }>((resolve) =>
    // The emulator reads later than it is written to: it has to have read all before anybody looks.
    child.onExit(({ exitCode, signal }) => emulator.terminal.write('', () => resolve({ exitCode, signal }))),
  )
  return { emulator, process: child, ended }
}

const run = promisify(execFile)

/** Whether tmux is installed. */
export async function hasTmux(): Promise<boolean> {
  return await run('tmux', ['-V']).then(
    () => true,
    () => false,
  )
}

/** A tmux server of its own, with one window. */
export class Tmux {
  readonly #socket: string

  private constructor(socket: string) {
    this.#socket = socket
  }

  /** Starts a command of a shell in a window. Nobody's tmux.conf is read. */
  static async start(command: string, columns = 80, rows = 24): Promise<Tmux> {
    const tmux = new Tmux(`postern-test-${process.pid}-${Math.random().toString(36).slice(2)}`)
    const size = ['-x', String(columns), '-y', String(rows)]
    await tmux.run('-f', '/dev/null', 'new-session', '-d', ...size, command)
    return tmux
  }

  /** Runs a command of tmux. */
  async run(...parameters: readonly string[]): Promise<string> {
    return (await run('tmux', ['-u', '-L', this.#socket, ...parameters])).stdout
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.run('send-keys', '-l', text)
  }

  /** Presses keys by tmux's names: `Enter`, `Escape`, `C-z`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.run('send-keys', ...keys)
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.run('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** The window as text; with `-e` also its colours. */
  async capture(...options: readonly string[]): Promise<string> {
    return await this.run('capture-pane', '-p', ...options)
  }

  async until(wanted: string | RegExp | ((text: string) => boolean)): Promise<string> {
    return await until(() => this.capture(), wanted)
  }

  /** Alternate screen, mouse, cursor: `0 0 1` is a terminal as a shell wants it. */
  async modes(): Promise<string> {
    return (await this.run('display', '-p', '#{alternate_on} #{mouse_any_flag} #{cursor_flag}')).trim()
  }

  async end(): Promise<void> {
    await this.run('kill-server').catch(() => '')
  }
}
