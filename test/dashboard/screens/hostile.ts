/**
 * Text that tries to leave its place on the screen, and the proof that it could not: a screen with such a field is
 * compared, cell by cell, with the same screen and a harmless field of the same width.
 */
import fc from 'fast-check'
import { unitWidth, widthOf } from '../../../src/dashboard/cells.js'
import type { TraceEvent } from '../../../src/trace/event.js'

/** Stands in a fixture where the field comes. */
export const FIELD = '%%FIELD%%'
/** Of this the harmless field is made; stands nowhere else on a screen. */
const MARK = '¤'
/** Ends a field that was cut. */
const CUT = '…'

const NASTY = [
  '\x1b[2J\x1b[H',
  '\x1b]52;c;cm0gLXJmIC8=\x07',
  '\x1b]0;title\x1b\\',
  '\x9b31m',
  '\x07\x08\r\n\t\0\x7f',
  '\u202egpj.exe\u202c',
  '\u2066\u2069\u200b\ufeff\u00ad',
  '{bold}{red-bg}{/}{escape}',
  '{|}',
  '👩‍👩‍👧‍👦🏴‍☠️🇩🇪',
  '⚠️☎︎',
  '漢字カタカナ한글',
  'e\u0301\u0302\u0303\u0304Z\u0351\u0352\u0353',
  '\ud800',
  'ﷺ',
  'กำ',
  '\u3000',
  '\u2028\u2029',
  'A'.repeat(4_096),
  '😀'.repeat(2_048),
  '漢'.repeat(2_048),
] as const

/** Hostile text, up to some kibibytes of it. */
export const hostileText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(...NASTY),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.string({ maxLength: 8 }),
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(''))

/** A harmless text that takes as many cells. */
export function harmlessTwin(text: string): string {
  return MARK.repeat(widthOf(text))
}

/** Puts a text in the place of {@link FIELD}, everywhere in the events; counts of octets stay. */
export function withField(events: readonly TraceEvent[], text: string): readonly TraceEvent[] {
  return events.map((event) => ({ ...event, content: replaced(event.content, text) }))
}

/**
 * Lists the places where a screen differs from its harmless twin outside of the field.
 *
 * @param fieldColumns on rows that show the field, columns that all belong to it
 */
export function escapes(
  hostile: readonly string[],
  harmless: readonly string[],
  fieldColumns: { readonly from: number; readonly to: number } = { from: 0, to: 0 },
): readonly string[] {
  if (hostile.length !== harmless.length) return [`${hostile.length} rows instead of ${harmless.length}`]
  return harmless.flatMap((line, row) => {
    const expected = cellsOf(line)
    const found = cellsOf(hostile[row] ?? '')
    const hasField = expected.includes(MARK)
    return expected.flatMap((cell, column) => {
      const isOfField =
        cell === MARK ||
        (cell === CUT && hasField) ||
        (hasField && column >= fieldColumns.from && column < fieldColumns.to)
      return isOfField || (found[column] ?? ' ') === cell
        ? []
        : [
            `row ${row}, column ${column}: ${JSON.stringify(found[column])} instead of ${JSON.stringify(cell)}`,
          ]
    })
  })
}

/** One string a cell; a wide character's second cell is empty. */
function cellsOf(line: string): readonly string[] {
  return [...line].flatMap((character) =>
    unitWidth(character.charCodeAt(0)) === 2 ? [character, ''] : [character],
  )
}

function replaced<Value>(value: Value, text: string): Value {
  return JSON.parse(JSON.stringify(value), (_, part: unknown) => {
    if (typeof part === 'string') return part.replaceAll(FIELD, () => text)
    const octets = octetsOf(part)
    return octets === null ? part : Buffer.from(octets.toString('utf8').replaceAll(FIELD, () => text))
  })
}

/** Buffers become `{type: 'Buffer', data: [...]}` in JSON. */
function octetsOf(part: unknown): Buffer | null {
  if (typeof part !== 'object' || part === null || !('data' in part) || !Array.isArray(part.data)) return null
  return Buffer.from(part.data)
}
