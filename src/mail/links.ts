/**
 * Links that nobody follows by a click: `https://example.org/a` becomes `hxxps://example[.]org/a`. Owns where in a
 * text or in HTML a link is. HTML is not parsed and not written anew: every browser reads broken markup in its own
 * way, so a link is found wherever it stands, in text, attributes, styles and comments alike, and every reading of
 * the markup finds it changed.
 *
 * Regular expressions are of fixed text and single repetitions that cannot overlap what comes behind them: linear.
 */

/** What a link begins with; a bare `www.` is one to many clients. */
const LINK = /(https?|ftp):\/\/|(?<![\w.@/-])www\./gi
/** The same, and attributes that hold a link whose letters may be disguised. */
const HTML_LINK =
  /(https?|ftp):\/\/|(?<![\w.@/-])www\.|\b(?:href|src|srcset|action|formaction|background|poster|data|ping|url)\s*=\s*["']?/gi
/** Up to where a host, with user and port, reaches. */
const AUTHORITY = /[^\s/\\?#<>"'`()[\]{}|^,;=]*/y
const SCHEMES: readonly string[] = ['https:', 'http:', 'ftp:']

/**
 * Disarms the links of plain text.
 *
 * @returns the same text where there are none; changed once, it stays the same
 * Never fails; linear in the length of the text.
 */
export function disarmText(text: string): string {
  return rewritten(text, LINK, (found) => disarmedLink(text, found))
}

/**
 * Disarms the links of HTML, those in attributes also where their letters are written as character references or
 * torn apart by line ends, and those that name no scheme: `//example.org`. Names of a document type or a namespace
 * are no links.
 *
 * @returns the same text where there are none
 * Never fails; linear in the length of the text.
 */
export function disarmHtml(html: string): string {
  return rewritten(html, HTML_LINK, (found) => {
    if (/[=\s"']$/.test(found[0])) return disarmedAttribute(html, found.index + found[0].length)
    return isNameOfMarkup(html, found.index) ? null : disarmedLink(html, found)
  })
}

/** What comes in the place of a link, and where it ends. */
interface Replacement {
  readonly start: number
  readonly end: number
  readonly text: string
}

function rewritten(
  text: string,
  wanted: RegExp,
  replacementOf: (found: RegExpExecArray) => Replacement | null,
): string {
  const pieces: string[] = []
  let kept = 0
  wanted.lastIndex = 0
  for (let found = wanted.exec(text); found !== null; found = wanted.exec(text)) {
    const replacement = replacementOf(found)
    if (replacement === null) continue
    pieces.push(text.slice(kept, replacement.start), replacement.text)
    kept = replacement.end
    wanted.lastIndex = Math.max(kept, found.index + 1)
  }
  return pieces.length === 0 ? text : pieces.join('') + text.slice(kept)
}

function disarmedLink(text: string, found: RegExpExecArray): Replacement {
  const [beginning, scheme] = found
  const behind = found.index + beginning.length
  AUTHORITY.lastIndex = behind
  const authority = AUTHORITY.exec(text)?.[0] ?? ''
  const end = behind + authority.length
  const isBare = scheme === undefined
  const written = isBare
    ? disarmedHost(beginning + authority)
    : `${disarmedScheme(scheme)}://${disarmedHost(authority)}`
  return { start: found.index, end, text: written }
}

/** As people write it: `hxxp`, `fxp`. */
function disarmedScheme(scheme: string): string {
  return scheme.replace(/t/gi, (letter) => (letter === 'T' ? 'X' : 'x'))
}

/**
 * The full stop of an address at the end of a sentence is not one of its dots. What stands before a second `//` right
 * behind a host reads as its scheme.
 */
function disarmedHost(host: string): string {
  const last = host.endsWith('.') ? '.' : ''
  const dots = host.slice(0, host.length - last.length).replaceAll('.', '[.]')
  return dots.replace(/(?:https?|ftp):/gi, disarmedScheme) + last
}

/** Octets before a place that are looked at for a document type or namespace. */
const LOOK_BACK = 200

function isNameOfMarkup(html: string, at: number): boolean {
  const before = html.slice(Math.max(0, at - LOOK_BACK), at)
  return /xmlns(?::\w{1,30})?\s?=\s?["']?$/i.test(before) || /<!doctype[^>]{0,200}$/i.test(before)
}

/** @returns null where the value is no link that leaves the message */
function disarmedAttribute(html: string, start: number): Replacement | null {
  const reader = new ValueReader(html, start)
  reader.skipBlanks()
  const scheme = reader.takeScheme()
  const slashes = reader.takeSlashes()
  if (scheme === null && slashes < 2) return null
  const authority = reader.takeAuthority()
  if (authority === '') return null
  const written = `${disarmedScheme(scheme ?? 'http')}://${escaped(disarmedHost(authority))}`
  return { start, end: reader.at, text: written }
}

function escaped(text: string): string {
  return text.replace(/[&<>"'`]|[^\x21-\x7e]/gu, (character) => `&#${character.codePointAt(0)};`)
}

const CHARACTER_REFERENCE =
  /&(?:#0*([0-9]{1,7})|#[xX]0*([0-9a-fA-F]{1,6})|(Tab|NewLine|colon|sol|bsol|period|amp));?/y
const NAMED: ReadonlyMap<string, string> = new Map([
  ['Tab', '\t'],
  ['NewLine', '\n'],
  ['colon', ':'],
  ['sol', '/'],
  ['bsol', '\\'],
  ['period', '.'],
  ['amp', '&'],
])

/** Reads an attribute's value as a browser does before it opens it. It looks no further than the host. */
class ValueReader {
  at: number
  readonly #html: string
  readonly #quote: string | null

  constructor(html: string, start: number) {
    const before = html[start - 1]
    this.#html = html
    this.at = start
    this.#quote = before === '"' || before === "'" ? before : null
  }

  /** Controls and blanks before a link do not count. */
  skipBlanks(): void {
    while (this.#take((character) => character <= ' ') !== null);
  }

  takeScheme(): string | null {
    const start = this.at
    for (const scheme of SCHEMES) {
      if (
        [...scheme].every((letter) => this.#take((character) => character.toLowerCase() === letter) !== null)
      )
        return scheme.slice(0, -1)
      this.at = start
    }
    return null
  }

  /** Browsers take a backslash for a slash. */
  takeSlashes(): number {
    let count = 0
    while (this.#take((character) => character === '/' || character === '\\') !== null) count += 1
    return count
  }

  takeAuthority(): string {
    const characters: string[] = []
    for (;;) {
      const character = this.#take((next) => !/[\s/\\?#<>,=]/.test(next))
      if (character === null) return characters.join('')
      characters.push(character)
    }
  }

  /** Takes the next character, where it is meant; tabs and line ends within a link do not count. */
  #take(isMeant: (character: string) => boolean): string | null {
    let next = this.#read(this.at)
    while (next !== null && /[\t\r\n]/.test(next.character)) next = this.#read(next.end)
    if (next === null || !isMeant(next.character)) return null
    this.at = next.end
    return next.character
  }

  #read(at: number): { readonly character: string; readonly end: number } | null {
    const character = this.#html[at]
    if (character === undefined || character === '>' || this.#endsValue(character)) return null
    if (character !== '&') return { character, end: at + 1 }
    CHARACTER_REFERENCE.lastIndex = at
    const found = CHARACTER_REFERENCE.exec(this.#html)
    if (found === null) return { character, end: at + 1 }
    const [whole, decimal, hex, name] = found
    return { character: characterOf(decimal, hex, name), end: at + whole.length }
  }

  #endsValue(character: string): boolean {
    if (this.#quote === null) return /[\s"']/.test(character)
    return character === this.#quote
  }
}

function characterOf(decimal: string | undefined, hex: string | undefined, name: string | undefined): string {
  if (name !== undefined) return NAMED.get(name) ?? ''
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number.parseInt(decimal, 10)
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
}
