/**
 * Text as cells of a terminal: what may stand in one, how wide it is, where a line is cut. Owns the last choke point
 * between the wire and a terminal: what leaves here is one code unit a character, one or two cells wide, and nothing
 * that a terminal or blessed acts on. Knows nothing of colours, rows or terminals.
 */
import stringWidth from 'string-width'

// All one cell wide, none of them joins its neighbour: ASCII, Latin-1 but for U+00A0 and U+00AD, and what this program
// writes itself: the ellipsis, control pictures, borders and blocks, the box, the replacement character.
const PLAIN = /^[\x20-\x7e\xa1-\xac\xae-\xff\u2026\u2400-\u2421\u2500-\u259f\u25a1\ufffd]*$/
// Formats (bidi, zero width, soft hyphen, tags), separators of lines and paragraphs.
const FORMAT = /[\p{Cf}\p{Zl}\p{Zp}]/u
const SPACE = /\p{Zs}/u
const MARK = /\p{M}/u
// No terminal agrees with another on the width of what has no meaning yet, or a private one.
const UNKNOWN = /[\p{Cn}\p{Co}]/u

/** Stands where something invisible was. */
const DOT = '·'
/** Stands where something was whose width terminals do not agree on. */
const BOX = '□'
/** Stands where octets were no text. */
const REPLACEMENT = '�'
/** Ends a text that was cut. */
const CUT = '…'
const IDEOGRAPHIC_SPACE = '\u3000'

/**
 * Two cells wide in Unicode, in every terminal and in blessed 0.1.81, whose table is of 2013. What is wide by newer
 * tables alone (emoji above all) becomes boxes.
 */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x3001, 0x3029],
  [0x3030, 0x303e],
  [0x3041, 0x3096],
  [0x309b, 0x30ff],
  [0x3105, 0x312d],
  [0x3131, 0x318e],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa48c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
]

// Half a syllable: joined by some terminals, wide in blessed. A whole one is composed before it comes here.
const JAMO: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x11ff],
  [0xa960, 0xa97f],
  [0xd7b0, 0xd7ff],
]

// Letters that join their neighbour's cell (Malayalam dot reph, Thai and Lao AM), and one sign that blessed takes for a
// combining one.
const JOINING = new Set([0x06de, 0x0d4e, 0x0e33, 0x0eb3])

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** Longer texts are segmented in pieces: on Node 20, what one segmentation costs grows with the square of its length. */
const PIECE_UNITS = 4_096
/** What became of each code unit, filled in as they come. */
const known = new Map<number, string>()
/** What became of clusters of several code units, emoji above all; emptied when it is full. */
const knownClusters = new Map<string, string>()
/** More than any mail has of different emoji; and as long as families of them are. */
const KNOWN_CLUSTERS = 2_048
const KNOWN_CLUSTER_UNITS = 32

/**
 * Makes text harmless to a terminal and its width certain. C0 controls become their pictures (`␛`), C1 and broken
 * characters `�`, invisible ones a dot, emoji and what terminals disagree on one or two boxes; combining characters
 * are composed with their letter, or left out where they cannot be. Idempotent.
 *
 * @returns text in which every code unit is a character of its own: two cells wide where {@link widthOf} says so
 * Never fails.
 */
export function toCells(text: string): string {
  if (PLAIN.test(text)) return text
  let cells = ''
  for (const cluster of clustersOf(text)) cells += clusterCells(cluster)
  return cells
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

/** The grapheme clusters of a text. */
function* clustersOf(text: string): Generator<string> {
  let most = PIECE_UNITS
  for (let from = 0; from < text.length; ) {
    const cut = from + most
    // Half a character would end the cluster that it belongs to.
    const end = isHighSurrogate(text.charCodeAt(cut - 1)) ? cut - 1 : cut
    let last = ''
    const began = from
    for (const { segment } of segmenter.segment(text.slice(from, end))) {
      if (last !== '') yield last
      from += last.length
      last = segment
    }
    // The last cluster of a piece may go on in the next one, and a piece may be too short for a single cluster.
    if (end >= text.length) {
      yield last
      return
    }
    most = from === began ? most * 2 : PIECE_UNITS
  }
}

/**
 * Counts the cells that a text takes once it went through {@link toCells}.
 */
export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : cellsWidth(toCells(text))
}

/**
 * Says how many cells one code unit of {@link toCells} takes.
 */
export function unitWidth(unit: number): 1 | 2 {
  return unit >= 0x3001 && isWithin(unit, WIDE) ? 2 : 1
}

/** The width of what {@link toCells} gave. */
function cellsWidth(cells: string): number {
  if (PLAIN.test(cells)) return cells.length
  let width = 0
  for (let index = 0; index < cells.length; index += 1) width += unitWidth(cells.charCodeAt(index))
  return width
}

/**
 * Makes text harmless and cuts it where it is wider than `width` cells; what is cut ends with an ellipsis.
 */
export function cutTo(text: string, width: number): string {
  return cutCells(toCells(text), width)
}

function cutCells(cells: string, width: number): string {
  if (cellsWidth(cells) <= width) return cells
  if (width <= 0) return ''
  return `${cells.slice(0, unitsWithin(cells, width - 1))}${CUT}`
}

/**
 * Makes text harmless and exactly `width` cells wide: cut as by {@link cutTo}, or filled with spaces.
 */
export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const cells = cutTo(text, width)
  const fill = ' '.repeat(Math.max(0, width - cellsWidth(cells)))
  return align === 'left' ? cells + fill : fill + cells
}

/**
 * Makes text harmless and breaks it into lines of at most `width` cells: at its own line ends, at spaces, and within
 * a word that is longer than a line.
 *
 * @returns at least one line
 */
export function wrapTo(text: string, width: number): readonly string[] {
  const room = Math.max(1, Math.floor(width))
  const lines: string[] = []
  for (const line of text.split(/\r?\n/)) wrapLine(toCells(line), room, lines)
  return lines
}

function wrapLine(cells: string, room: number, lines: string[]): void {
  let rest = cells
  while (cellsWidth(rest) > room) {
    // A wide character in a column of one cell has no other place to go.
    const most = Math.max(1, unitsWithin(rest, room))
    const space = rest.lastIndexOf(' ', most)
    const end = space > 0 && rest.slice(0, space).trim() !== '' ? space : most
    const piece = rest.slice(0, end).trimEnd()
    lines.push(cellsWidth(piece) > room ? BOX : piece)
    rest = rest.slice(end).replace(/^ /, '')
  }
  lines.push(rest)
}

/** @returns how many code units of `cells` fit into `width` cells */
function unitsWithin(cells: string, width: number): number {
  let used = 0
  for (let index = 0; index < cells.length; index += 1) {
    used += unitWidth(cells.charCodeAt(index))
    if (used > width) return index
  }
  return cells.length
}

function clusterCells(cluster: string): string {
  if (cluster.length === 1) return unitCells(cluster)
  const before = knownClusters.get(cluster)
  if (before !== undefined) return before
  const cells = longClusterCells(cluster)
  if (cluster.length > KNOWN_CLUSTER_UNITS) return cells
  if (knownClusters.size >= KNOWN_CLUSTERS) knownClusters.clear()
  knownClusters.set(cluster, cells)
  return cells
}

function longClusterCells(cluster: string): string {
  const composed = cluster.normalize('NFC')
  if (composed.length === 1) return unitCells(composed)
  if (/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(composed)) return emojiCells(composed)
  let cells = ''
  for (const character of composed) {
    // A mark that no letter of its own exists for: the letter alone keeps its place, the mark would not.
    if (cells !== '' && MARK.test(character)) continue
    cells += character.length === 1 ? unitCells(character) : boxes(character)
  }
  return cells
}

/** A sign with a variation selector behind it (`⚠️`) is the sign; a sequence is as wide as what it shows. */
function emojiCells(cluster: string): string {
  const [first = '', ...rest] = cluster
  return first.length === 1 && rest.every((character) => MARK.test(character))
    ? unitCells(first)
    : boxes(cluster)
}

function boxes(text: string): string {
  return stringWidth(text) >= 2 ? BOX + BOX : BOX
}

function unitCells(character: string): string {
  const unit = character.charCodeAt(0)
  const before = known.get(unit)
  if (before !== undefined) return before
  const cells = cellsOfUnit(character, unit)
  known.set(unit, cells)
  return cells
}

function cellsOfUnit(character: string, unit: number): string {
  if (unit < 0x20) return String.fromCharCode(0x2400 + unit)
  if (unit < 0x7f) return character
  if (unit === 0x7f) return '␡'
  if (unit < 0xa0 || (unit >= 0xd800 && unit <= 0xdfff)) return REPLACEMENT
  if (character === IDEOGRAPHIC_SPACE) return '  '
  if (SPACE.test(character)) return ' '
  if (FORMAT.test(character) || MARK.test(character)) return DOT
  if (UNKNOWN.test(character) || JOINING.has(unit) || isWithin(unit, JAMO)) return BOX
  const width = stringWidth(character)
  if (width === 0) return DOT
  return width === unitWidth(unit) ? character : boxes(character)
}

function isWithin(unit: number, ranges: readonly (readonly [number, number])[]): boolean {
  return ranges.some(([from, to]) => unit >= from && unit <= to)
}
