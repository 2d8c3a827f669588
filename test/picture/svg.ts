/**
 * A terminal's screen as an SVG picture: cell by cell what a person would see. Owns the picture's measures and
 * colours; knows nothing of what is on the screen.
 */
import type { Terminal } from '@xterm/headless'

const CELL_WIDTH = 9
const CELL_HEIGHT = 19
const MARGIN = 12
const BASELINE = 14
const BACKGROUND = '#16181d'
const FOREGROUND = '#d8dbe2'
/** The sixteen colours that a terminal theme sets; the others follow from their number. */
const THEME = [
  '#16181d',
  '#d0605e',
  '#8fae6b',
  '#d9a657',
  '#6c9fd8',
  '#b08cc7',
  '#6fb3b8',
  '#d8dbe2',
  '#7d828c',
  '#e58a87',
  '#a9c787',
  '#ecc078',
  '#8fbcec',
  '#c9a8de',
  '#92cdd1',
  '#ffffff',
] as const

interface Look {
  readonly foreground: string
  readonly background: string
  readonly isBold: boolean
  readonly isUnderlined: boolean
}

interface Run {
  readonly look: Look
  readonly column: number
  cells: number
  text: string
}

/**
 * Draws the screen.
 *
 * @param title says what there is to see, for those who cannot
 * @returns an SVG document; the same screen gives the same text
 */
export function svgOf(terminal: Terminal, title: string): string {
  const { cols, rows } = terminal
  const width = cols * CELL_WIDTH + 2 * MARGIN
  const height = rows * CELL_HEIGHT + 2 * MARGIN
  const lines = Array.from({ length: rows }, (_, row) => runsOf(terminal, row).map((run) => draw(run, row)))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="15" role="img" aria-labelledby="title">`,
    `<title id="title">${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...lines.flat().filter((line) => line !== ''),
    '</svg>',
    '',
  ].join('\n')
}

function runsOf(terminal: Terminal, row: number): readonly Run[] {
  const buffer = terminal.buffer.active
  const line = buffer.getLine(buffer.viewportY + row)
  const runs: Run[] = []
  for (let column = 0; column < terminal.cols; column += 1) {
    const cell = line?.getCell(column)
    // The second cell of a wide character has no width of its own.
    if (cell === undefined || cell.getWidth() === 0) continue
    const foreground = colour(cell.isFgRGB(), cell.isFgPalette(), cell.getFgColor(), FOREGROUND)
    const background = colour(cell.isBgRGB(), cell.isBgPalette(), cell.getBgColor(), BACKGROUND)
    const isInverse = cell.isInverse() !== 0
    const look = {
      foreground: isInverse ? background : foreground,
      background: isInverse ? foreground : background,
      isBold: cell.isBold() !== 0,
      isUnderlined: cell.isUnderline() !== 0,
    }
    const last = runs.at(-1)
    const text = cell.getChars() === '' ? ' ' : cell.getChars()
    if (
      last !== undefined &&
      isAlike(last.look, look) &&
      cell.getWidth() === 1 &&
      last.cells === last.text.length
    ) {
      last.text += text
      last.cells += 1
    } else runs.push({ look, column, cells: cell.getWidth(), text })
  }
  return runs
}

function isAlike(one: Look, two: Look): boolean {
  return (
    one.foreground === two.foreground &&
    one.background === two.background &&
    one.isBold === two.isBold &&
    one.isUnderlined === two.isUnderlined
  )
}

function draw({ look, column, cells, text }: Run, row: number): string {
  const x = MARGIN + column * CELL_WIDTH
  const y = MARGIN + row * CELL_HEIGHT
  const width = cells * CELL_WIDTH
  const fill =
    look.background === BACKGROUND
      ? ''
      : `<rect x="${x}" y="${y}" width="${width}" height="${CELL_HEIGHT}" fill="${look.background}"/>`
  const trimmed = look.isUnderlined ? text : text.trimEnd()
  if (trimmed.trim() === '' && !look.isUnderlined) return fill
  const begin = trimmed.length - trimmed.trimStart().length
  const shown = trimmed.slice(begin)
  const length = (cells === text.length ? shown.length : cells) * CELL_WIDTH
  const weight = look.isBold ? ' font-weight="bold"' : ''
  const underline = look.isUnderlined ? ' text-decoration="underline"' : ''
  // The length keeps columns in place whatever font there is.
  return `${fill}<text x="${x + begin * CELL_WIDTH}" y="${y + BASELINE}" fill="${look.foreground}"${weight}${underline} textLength="${length}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${escaped(shown)}</text>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function colour(isRgb: boolean, isPalette: boolean, value: number, otherwise: string): string {
  if (isRgb) return `#${value.toString(16).padStart(6, '0')}`
  if (!isPalette) return otherwise
  if (value < 16) return THEME[value] ?? otherwise
  if (value >= 232) return hexadecimal(Array.from({ length: 3 }, () => 8 + (value - 232) * 10))
  const cube = value - 16
  const levels = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6]
  return hexadecimal(levels.map((level) => (level === 0 ? 0 : 55 + level * 40)))
}

function hexadecimal(parts: readonly number[]): string {
  return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}
