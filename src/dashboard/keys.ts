/**
 * What a terminal sends, read as keys, pastes and mouse. Owns the escape sequences that come in; blessed's own reader
 * is not used, since it has no time limit for Escape, takes a paste for typing, reports Enter twice and loses mouse
 * events. Names are blessed's: `j`, `S-g` for `G`, `C-f`, `enter`, `pagedown`. Knows nothing of what a key does.
 */
/** One thing that a person did at the terminal. */
export type TerminalInput =
  /** `text` is what a key writes into a line, empty where it writes nothing. */
  | { readonly type: 'key'; readonly name: string; readonly text: string }
  /** Between the marks of a bracketed paste. */
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'wheel'; readonly direction: 1 | -1 }
  /** Cells from 0. */
  | { readonly type: 'click'; readonly column: number; readonly row: number }

/**
 * Milliseconds after which a lone ESC is the key. Sequences arrive whole on anything but the slowest link; longer, and
 * Esc feels dead.
 */
export const ESCAPE_MS = 50
/** A cursor key whose ESC came alone, on a slow link, may follow so late and is still one. */
const LATE_SEQUENCE_MS = 1_000
/** Characters of one paste that are kept. A line has fewer. */
const PASTE_CHARACTERS = 65_536

const PASTE_START = '\x1b[200~'
const PASTE_END = '\x1b[201~'

const CSI_LETTERS: ReadonlyMap<string, string> = new Map([
  ['A', 'up'],
  ['B', 'down'],
  ['C', 'right'],
  ['D', 'left'],
  ['H', 'home'],
  ['F', 'end'],
  ['P', 'f1'],
  ['Q', 'f2'],
  ['R', 'f3'],
  ['S', 'f4'],
])

const CSI_NUMBERS: ReadonlyMap<string, string> = new Map([
  ['1', 'home'],
  ['2', 'insert'],
  ['3', 'delete'],
  ['4', 'end'],
  ['5', 'pageup'],
  ['6', 'pagedown'],
  ['7', 'home'],
  ['8', 'end'],
  ['11', 'f1'],
  ['12', 'f2'],
  ['13', 'f3'],
  ['14', 'f4'],
  ['15', 'f5'],
  ['17', 'f6'],
  ['18', 'f7'],
  ['19', 'f8'],
  ['20', 'f9'],
  ['21', 'f10'],
  ['23', 'f11'],
  ['24', 'f12'],
])

/** Reads octets of a terminal, in pieces of any size. */
export class KeyReader {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #rest = ''
  #escapeAt: number | null = null

  /** Whether something waits for more: call {@link flush} after {@link ESCAPE_MS} if nothing comes. */
  get isWaiting(): boolean {
    return this.#rest !== ''
  }

  /**
   * Takes what arrived.
   *
   * @param now milliseconds on any clock that never goes back
   */
  push(octets: Buffer, now: number): readonly TerminalInput[] {
    const text = this.#decoder.decode(octets, { stream: true })
    const isLate = this.#escapeAt !== null && now - this.#escapeAt <= LATE_SEQUENCE_MS
    this.#escapeAt = null
    // A person types "[" and "A" one by one; both at once behind an ESC are a cursor key that the link tore apart.
    this.#rest += isLate && /^[[O][A-DFH]/.test(text) ? `\x1b${text}` : text
    return this.#read('more may come')
  }

  /** Ends the wait: a lone ESC is the key, the beginning of a sequence is nothing. */
  flush(now: number): readonly TerminalInput[] {
    const wasEscape = this.#rest === '\x1b'
    const inputs = this.#read('this is all')
    if (wasEscape) this.#escapeAt = now
    return inputs
  }

  #read(wait: 'more may come' | 'this is all'): readonly TerminalInput[] {
    const inputs: TerminalInput[] = []
    while (this.#rest !== '') {
      const found = nextInput(this.#rest)
      if (found === null) {
        if (wait === 'more may come') break
        inputs.push(...leftover(this.#rest))
        this.#rest = ''
        break
      }
      this.#rest = this.#rest.slice(found.characters)
      if (found.input !== null) inputs.push(found.input)
    }
    return inputs
  }
}

/** An input and how much of the text it was; `input` is null for a sequence that means nothing here. */
interface Found {
  readonly input: TerminalInput | null
  readonly characters: number
}

function leftover(text: string): readonly TerminalInput[] {
  if (text === '\x1b') return [key('escape')]
  if (text.startsWith(PASTE_START)) return [paste(text.slice(PASTE_START.length))]
  return []
}

function nextInput(text: string): Found | null {
  if (text[0] !== '\x1b') return plainKey(text)
  if (text.length === 1) return null
  if (text[1] === '[') return sequence(text)
  if (text[1] === 'O') return shortSequence(text)
  if (text[1] === '\x1b') return { input: key('escape'), characters: 1 }
  const behind = plainKey(text.slice(1))
  if (behind.input?.type !== 'key') return { input: null, characters: 1 + behind.characters }
  return { input: key(`M-${behind.input.name}`), characters: 1 + behind.characters }
}

function plainKey(text: string): Found {
  const character = String.fromCodePoint(text.codePointAt(0) ?? 0)
  return { input: key(nameOf(character), typed(character)), characters: character.length }
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (character === '\r' || character === '\n') return 'enter'
  if (character === '\t') return 'tab'
  if (character === ' ') return 'space'
  if (code === 0x7f || code === 0x08) return 'backspace'
  if (code === 0) return 'C-space'
  if (code < 0x1b) return `C-${String.fromCharCode(code + 0x60)}`
  if (code < 0x20) return `C-${String.fromCharCode(code + 0x40)}`
  return /^[A-Z]$/.test(character) ? `S-${character.toLowerCase()}` : character
}

function typed(character: string): string {
  return /^[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]$/u.test(character) ? '' : character
}

function sequence(text: string): Found | null {
  if (text.startsWith(PASTE_START)) return pasted(text)
  // The Linux console's F1 to F5: ESC [ [ A.
  const console = /^\x1b\[\[([A-E])/.exec(text)
  if (console !== null) return { input: key(`f${(console[1] ?? 'A').charCodeAt(0) - 0x40}`), characters: 4 }
  if (text === '\x1b[[') return null
  const whole = /^\x1b\[([\x30-\x3f]*)[\x20-\x2f]*([\x40-\x7e])/.exec(text)
  // A sequence that is cut off, or broken: nothing that could be one is longer than this.
  if (whole === null) return /^\x1b\[[\x20-\x3f]*$/.test(text) && text.length < 32 ? null : broken(text)
  const [all, parameters = '', final = ''] = whole
  const characters = all.length
  if (parameters.startsWith('<')) return { input: mouse(parameters.slice(1), final), characters }
  const [first = '', second = ''] = parameters.split(';')
  if (final === 'Z') return { input: key('S-tab'), characters }
  const name = final === '~' ? CSI_NUMBERS.get(first) : CSI_LETTERS.get(final)
  return { input: name === undefined ? null : key(modified(name, second)), characters }
}

function broken(text: string): Found {
  const characters = /^\x1b\[[\x20-\x3f]*/.exec(text)?.[0].length ?? 2
  return { input: null, characters }
}

function shortSequence(text: string): Found | null {
  const letter = text[2]
  if (letter === undefined) return null
  if (letter === 'M') return { input: key('enter'), characters: 3 }
  const name = CSI_LETTERS.get(letter)
  return { input: name === undefined ? null : key(name), characters: 3 }
}

function pasted(text: string): Found | null {
  const end = text.indexOf(PASTE_END)
  if (end === -1) return null
  return { input: paste(text.slice(PASTE_START.length, end)), characters: end + PASTE_END.length }
}

function paste(text: string): TerminalInput {
  return { type: 'paste', text: text.slice(0, PASTE_CHARACTERS) }
}

/** Mode 1006: button;column;row, `M` for pressed. Buttons 64 and 65 are the wheel. */
function mouse(parameters: string, final: string): TerminalInput | null {
  const [button = -1, column = 0, row = 0] = parameters.split(';').map(Number)
  if (final !== 'M') return null
  if (button === 64) return { type: 'wheel', direction: -1 }
  if (button === 65) return { type: 'wheel', direction: 1 }
  return button === 0 ? { type: 'click', column: column - 1, row: row - 1 } : null
}

function modified(name: string, parameter: string): string {
  const bits = Math.max(0, Number(parameter === '' ? 1 : parameter) - 1)
  return `${bits & 4 ? 'C-' : ''}${bits & 2 ? 'M-' : ''}${bits & 1 ? 'S-' : ''}${name}`
}

function key(name: string, text = ''): TerminalInput {
  return { type: 'key', name, text }
}

const SHOWN: ReadonlyMap<string, string> = new Map([
  ['enter', 'Enter'],
  ['escape', 'Esc'],
  ['space', 'Space'],
  ['tab', 'Tab'],
  ['backspace', 'Backspace'],
  ['delete', 'Del'],
  ['home', 'Home'],
  ['end', 'End'],
  ['pageup', 'PgUp'],
  ['pagedown', 'PgDn'],
  ['up', 'Up'],
  ['down', 'Down'],
  ['left', 'Left'],
  ['right', 'Right'],
])

/**
 * Words a key's name for a person: `G` for `S-g`, `Ctrl-F` for `C-f`, `Shift-Tab` for `S-tab`.
 */
export function keyLabel(name: string): string {
  const capital = /^S-([a-z])$/.exec(name)
  if (capital !== null) return (capital[1] ?? '').toUpperCase()
  const [, modifiers = '', base = name] = /^((?:[CMS]-)*)(.+)$/.exec(name) ?? []
  const words = modifiers.replace('C-', 'Ctrl-').replace('M-', 'Alt-').replace('S-', 'Shift-')
  return words + (SHOWN.get(base) ?? (words === '' ? base : base.toUpperCase()))
}
