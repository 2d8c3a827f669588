/**
 * The terminal. Paints frames cell by cell, reads keys, and leaves the terminal as it was, however the program ends.
 * The only file that knows blessed, of which it uses what is left when lists, markup and keys are ours: terminfo, the
 * alternate screen, and writing only the cells that changed. Nothing that is painted is ever parsed for markup or
 * escape sequences.
 */
import { type Duplex, PassThrough, type Readable } from 'node:stream'
import blessed from 'blessed'
import { unitWidth } from './cells.js'
import type { Frame, Row, Size, Style } from './frame.js'
import { ESCAPE_MS, KeyReader, type TerminalInput } from './keys.js'
import type { TerminalFacts } from './terminal.js'

/** A cell: attributes (flags, foreground, background) and one character. */
type Cell = [attributes: number, character: string]

// What @types/blessed leaves out.
declare module 'blessed' {
  interface BlessedProgram {
    readonly cursorHidden: boolean
  }
  namespace Widgets {
    interface Screen {
      readonly lines: (Cell[] & { dirty: boolean })[]
      readonly destroyed?: boolean
      enter(): void
      leave(): void
    }
    interface Tput {
      brokenACS: boolean
      readonly colors: number
    }
  }
}

/** What is read from a terminal; `process.stdin` is one. */
export type TerminalSource = Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }

/** What is written to one; `process.stdout` is one. */
export type TerminalTarget = Duplex & {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Who is told what a person does. */
export interface ScreenListener {
  inputs(inputs: readonly TerminalInput[]): void
  resized(size: Size): void
  /** The terminal is gone. */
  gone(): void
}

/** Octets of text that OSC 52 takes: xterm and tmux cut or ignore more than 74 994 octets of base64. */
export const CLIPBOARD_OCTETS = 56_244

/** Milliseconds that the last octets may take at the end, if the terminal does not read. */
const LAST_OCTETS_MS = 500

// Paste marked as such (2004). No reordering of right-to-left text (8): it would move cells of its neighbours.
const MODES_ON = '\x1b[?2004h\x1b[8l'
const MODES_OFF = '\x1b[?2004l\x1b[8h'
// Clicks and wheel (1000) in decimal form (1006), never motion.
const MOUSE_ON = '\x1b[?1000h\x1b[?1006h'
const MOUSE_OFF = '\x1b[?1006l\x1b[?1000l'

/** A terminal in the alternate screen. */
export class TerminalScreen {
  readonly #input: TerminalSource
  readonly #output: TerminalTarget
  readonly #facts: TerminalFacts
  readonly #listener: ScreenListener
  readonly #keys = new KeyReader()
  readonly #blessed: blessed.Widgets.Screen
  readonly #attributes: Readonly<Record<Style, number>>
  #escape: NodeJS.Timeout | null = null
  #painted: string[] = []
  #isActive = false
  #isMouseOn = false

  constructor(input: TerminalSource, output: TerminalTarget, facts: TerminalFacts, listener: ScreenListener) {
    this.#input = input
    this.#output = output
    this.#facts = facts
    this.#listener = listener
    stopWaiting(output)
    this.#blessed = blessed.screen({
      // Never the real one: keys are read here, see `keys.ts`.
      input: new PassThrough(),
      output,
      terminal: facts.name,
      forceUnicode: facts.isUnicode,
      fullUnicode: true,
      tags: false,
      autoPadding: false,
      resizeTimeout: 0,
    })
    // Else borders are drawn in the alternate character set, which PuTTY and tmux show as letters.
    this.#blessed.tput.brokenACS = true
    this.#attributes = facts.hasColour ? coloured(this.#blessed.tput.colors) : COLOURLESS
    this.#input.on('data', this.#onData)
    this.#input.on('end', this.#onGone)
    this.#input.on('error', this.#onGone)
    this.#output.on('error', this.#onGone)
    this.#output.on('resize', this.#onResize)
    // A terminal that is gone fails once more after it was given up, and nobody is to die of that.
    this.#input.on('error', ignore)
    this.#output.on('error', ignore)
    this.#activate()
  }

  get size(): Size {
    return { columns: Math.max(1, this.#output.columns ?? 80), rows: Math.max(1, this.#output.rows ?? 24) }
  }

  /**
   * Shows a frame; writes nothing where nothing changed.
   *
   * @returns false where the terminal has not read the last one yet, or is not ours: try again later
   */
  paint({ rows, cursor }: Frame): boolean {
    if (!this.#isActive || this.#output.writableLength > 0) return false
    const { lines } = this.#blessed
    let first = -1
    let last = -1
    for (const [index, line] of lines.entries()) {
      const spans = rows[index] ?? []
      const picture = pictureOf(spans)
      if (this.#painted[index] === picture) continue
      this.#painted[index] = picture
      this.#fill(line, spans)
      first = first === -1 ? index : first
      last = index
    }
    if (first !== -1) this.#blessed.draw(first, last)
    this.#placeCursor(cursor)
    this.#blessed.program.flush()
    return true
  }

  /** Forgets what is on the screen, so that the next frame is written whole. */
  redraw(): void {
    if (!this.#isActive) return
    this.#blessed.alloc()
    this.#painted = []
  }

  /** Switches clicks and wheel on or off. */
  setMouse(isOn: boolean): void {
    this.#isMouseOn = isOn
    if (this.#isActive) this.#write(isOn ? MOUSE_ON : MOUSE_OFF)
  }

  /**
   * Puts text onto the clipboard of the terminal (OSC 52), through SSH too.
   *
   * @returns false where it is too long
   */
  copy(text: string): boolean {
    const octets = Buffer.from(text)
    if (octets.length > CLIPBOARD_OCTETS) return false
    this.#write(`\x1b]52;c;${octets.toString('base64')}\x07`)
    return true
  }

  /** Gives the terminal back for a while: to an editor, to the shell. */
  suspend(): void {
    if (!this.#isActive) return
    this.#isActive = false
    this.#clearEscape()
    this.#write(`${this.#isMouseOn ? MOUSE_OFF : ''}${MODES_OFF}`)
    this.#blessed.leave()
    this.#blessed.program.flush()
    this.#setRawMode(false)
    this.#input.pause()
  }

  /** Takes the terminal again, and forgets what was on it. */
  resume(): void {
    if (this.#isActive) {
      this.redraw()
      return
    }
    this.#blessed.enter()
    this.#activate()
  }

  /** Leaves the terminal as it was. At once, for the ends that wait for nobody; may be called twice. */
  restore(): void {
    this.suspend()
    this.#input.off('data', this.#onData)
    this.#input.off('end', this.#onGone)
    this.#input.off('error', this.#onGone)
    this.#output.off('resize', this.#onResize)
    if (!this.#blessed.destroyed) this.#blessed.destroy()
  }

  /** Leaves the terminal as it was, and waits until that is written. */
  async close(): Promise<void> {
    this.restore()
    await new Promise<void>((resolve) => {
      const tooLate = setTimeout(resolve, LAST_OCTETS_MS)
      this.#output.write('', () => {
        clearTimeout(tooLate)
        resolve()
      })
    })
    this.#output.off('error', this.#onGone)
  }

  #setRawMode(isRaw: boolean): void {
    // Quirk: Node 20 ends with SIGSEGV where the terminal behind it was closed.
    if (this.#input.destroyed) return
    try {
      this.#input.setRawMode?.(isRaw)
    } catch {
      // The terminal is gone: its end is told by the streams.
    }
  }

  #activate(): void {
    this.#isActive = true
    this.#painted = []
    this.#setRawMode(true)
    this.#input.resume()
    this.#write(`${MODES_ON}${this.#isMouseOn ? MOUSE_ON : ''}`)
  }

  #fill(line: Cell[] & { dirty: boolean }, spans: Row): void {
    let column = 0
    const put = (attributes: number, character: string): void => {
      const cell = line[column]
      if (cell !== undefined) {
        cell[0] = attributes
        cell[1] = character
      }
      column += 1
    }
    for (const { text, style } of spans) {
      const attributes = this.#attributes[style]
      for (let index = 0; index < text.length; index += 1) {
        const character = text.charAt(index)
        const width = unitWidth(character.charCodeAt(0))
        if (!this.#facts.isUnicode) {
          for (const ascii of inAscii(character, width)) put(attributes, ascii)
          continue
        }
        // No room for its second cell: blessed would push the line over the edge.
        if (width === 2 && column + 1 >= line.length) {
          put(attributes, ' ')
          continue
        }
        put(attributes, harmless(character))
        // blessed takes the cell behind a wide character for its second half.
        if (width === 2) put(attributes, ' ')
      }
    }
    while (column < line.length) put(this.#attributes.plain, ' ')
    line.dirty = true
  }

  #placeCursor(cursor: Frame['cursor']): void {
    const { program } = this.#blessed
    if (cursor === null) {
      if (!program.cursorHidden) program.hideCursor()
      return
    }
    program.cup(cursor.row, cursor.column)
    if (program.cursorHidden) program.showCursor()
  }

  #write(text: string): void {
    this.#blessed.program.flush()
    if (this.#output.writable) this.#output.write(text)
  }

  readonly #onData = (octets: Buffer): void => {
    if (!this.#isActive) return
    this.#clearEscape()
    this.#tell(this.#keys.push(octets, performance.now()))
    if (!this.#keys.isWaiting) return
    this.#escape = setTimeout(() => this.#tell(this.#keys.flush(performance.now())), ESCAPE_MS)
  }

  #clearEscape(): void {
    if (this.#escape !== null) clearTimeout(this.#escape)
    this.#escape = null
  }

  #tell(inputs: readonly TerminalInput[]): void {
    if (inputs.length > 0) this.#listener.inputs(inputs)
  }

  readonly #onResize = (): void => {
    this.#painted = []
    this.#listener.resized(this.size)
  }

  readonly #onGone = (): void => {
    this.#listener.gone()
  }
}

// Attributes as blessed packs them.
const BOLD = 1
const UNDERLINE = 2
const INVERSE = 8
const DEFAULT_COLOUR = 0x1ff

function attributes(flags: number, foreground: number = DEFAULT_COLOUR): number {
  return (flags << 18) | (foreground << 9) | DEFAULT_COLOUR
}

/** Each style without colour: no two that stand beside each other and mean different things look alike. */
const COLOURLESS: Readonly<Record<Style, number>> = {
  plain: attributes(0),
  dim: attributes(0),
  bold: attributes(BOLD),
  heading: attributes(BOLD),
  selected: attributes(INVERSE),
  client: attributes(0),
  server: attributes(0),
  postern: attributes(UNDERLINE),
  attention: attributes(BOLD | UNDERLINE),
  error: attributes(BOLD | INVERSE),
  match: attributes(UNDERLINE | INVERSE),
}

// Of the 256 colours: blue, orange and grey are told apart with every deficiency of colour sight, and are readable on
// black and on white. Bright black (8) is not.
const BLUE = 33
const ORANGE = 172
const GREY = 245

// Of the eight that every terminal has, blue and magenta are readable on black and on white, and told apart by all.
const PLAIN_BLUE = 4
const PLAIN_MAGENTA = 5

function coloured(colours: number): Readonly<Record<Style, number>> {
  if (colours < 8) return COLOURLESS
  const isRich = colours >= 256
  const blue = isRich ? BLUE : PLAIN_BLUE
  const orange = isRich ? ORANGE : PLAIN_MAGENTA
  return {
    ...COLOURLESS,
    dim: attributes(0, isRich ? GREY : DEFAULT_COLOUR),
    heading: attributes(BOLD, blue),
    client: attributes(0, blue),
    server: attributes(0, orange),
    attention: attributes(BOLD, orange),
    error: attributes(BOLD | INVERSE, orange),
  }
}

function ignore(): void {}

function pictureOf(spans: Row): string {
  return spans.map(({ text, style }) => `${style}\0${text}`).join('\0\0')
}

/** The last fence: spans are made of `toCells`, and whoever forgets it still harms nobody. */
function harmless(character: string): string {
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character) ? '?' : character
}

const ASCII: ReadonlyMap<string, string> = new Map([
  ['·', '.'],
  ['…', '~'],
  ['│', '|'],
  ['─', '-'],
  ['┌', '+'],
  ['┐', '+'],
  ['└', '`'],
  ['┘', '+'],
  ['├', '|'],
  ['┤', '|'],
  ['┬', '+'],
  ['┴', '+'],
  ['┼', '+'],
  ['›', '>'],
  ['▸', '>'],
  ['▶', '>'],
  ['→', '>'],
  ['←', '<'],
  ['↑', '^'],
  ['↓', 'v'],
  ['▲', '^'],
  ['▼', 'v'],
])

/** A terminal that is not in UTF-8 would take octets of other characters for controls. */
function inAscii(character: string, width: number): string {
  if (character >= ' ' && character <= '~') return character
  return ASCII.get(character) ?? '?'.repeat(width)
}

/**
 * Has writes to a terminal return at once: on Linux they wait for a terminal that does not read (Ctrl-S, a dead SSH),
 * and everything with them. `_handle` is Node's own affair, so it is asked for what it can do; without it a stopped
 * terminal stops the dashboard, and nothing else.
 */
function stopWaiting(output: TerminalTarget): void {
  const handle: unknown = Reflect.get(output, '_handle')
  if (typeof handle !== 'object' || handle === null || !('setBlocking' in handle)) return
  if (typeof handle.setBlocking === 'function') handle.setBlocking(false)
}
