/**
 * Whatever a stranger writes into a subject, a file name, a filter or a log line: it stays within the cells of its
 * field. Each screen is drawn twice, with a plain text and with a hostile one; all other cells must be the same.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { widthOf } from '../../../src/dashboard/cells.js'
import { logLine } from '../../../src/dashboard/log-line.js'
import { NO_ARGUMENT, type ScreenContext, type ScreenModule } from '../../../src/dashboard/screen-module.js'
import { logScreen } from '../../../src/dashboard/screens/log.js'
import { messageScreen } from '../../../src/dashboard/screens/message.js'
import { messagesScreen } from '../../../src/dashboard/screens/messages.js'
import { rulesScreen } from '../../../src/dashboard/screens/rules.js'
import { statisticsScreen } from '../../../src/dashboard/screens/statistics.js'
import { safeText } from '../../../src/trace/safe-text.js'
import { START } from '../../sessions/script.js'
import { LARGE, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { fetched, fetching, invoice, LUNCH, NOW, storeOf, troubledScene } from './mail-scene.js'

process.env.TZ = 'UTC'

const SIZES = [SMALL, LARGE]
const PLAIN = 'plain'

const fragments = [
  '\x1b[2J\x1b[31m',
  '\x1b]52;c;cm0gLXJmIC8=\x07',
  '\x1b]0;title\x07',
  '\x9b5A',
  '\u202egnp.exe\u202c',
  '\u2066\u2069',
  '{red-fg}{bold}',
  '{/}',
  '{center}x{/center}',
  '{|}',
  '\u200b\u00ad\ufeff',
  'e\u0301\u0301\u0301',
  '漢字かな',
  '👩‍👩‍👧‍👦',
  '🇩🇪',
  'ﷺ',
  '\u0e33',
  '\0\b\t',
  '│──┤',
  'A'.repeat(4096),
  ' ',
  'word',
]
const hostile = fc.oneof(
  fc.array(fc.constantFrom(...fragments), { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
)

/** One entry a cell; the second cell of a wide character is empty. */
function cellsOf(line: string): readonly string[] {
  return [...line].flatMap((unit) => (widthOf(unit) === 2 ? [unit, ''] : [unit]))
}

function screenOf<State>(
  module: ScreenModule<State>,
  state: State,
  context: ScreenContext,
): readonly string[] {
  return renderScreen(module, state, context)
}

interface Field {
  /** The row in which the field stands, by what else stands in it. */
  readonly row: RegExp
  /** The first cell of the field, and the one behind it; the end of the row where null. */
  readonly from: number
  readonly to: number | null
}

/** A longer field makes a longer message, and its sizes may say so. */
function withoutSizes(line: string): string {
  const sizes = / +\d[\d.]*[kM]?(?= octets| *$| *│)/g
  return line.replace(sizes, ' #').replace(/ +(?=\d\d:\d\d:\d\d *$)/, ' ')
}

/** Says where the two screens differ outside of a field; empty where they do not. */
function differencesOutside(
  plain: readonly string[],
  other: readonly string[],
  field: Field,
): readonly string[] {
  const differences: string[] = []
  if (plain.length !== other.length) differences.push(`${plain.length} rows became ${other.length}`)
  for (const [index, line] of plain.entries()) {
    const changed = other[index] ?? ''
    if (withoutSizes(line) === withoutSizes(changed)) continue
    if (!field.row.test(line)) {
      differences.push(`row ${index}: ${line} became ${changed}`)
      continue
    }
    const outside = (text: string): string => {
      const cells = cellsOf(text)
      const behind = field.to === null ? '' : cells.slice(field.to).join('')
      return (cells.slice(0, field.from).join('') + withoutSizes(behind)).trimEnd()
    }
    if (outside(line) !== outside(changed)) differences.push(`around the field: ${line} became ${changed}`)
  }
  return differences
}

function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`
}

function mailContext(message: string, size = SMALL): ScreenContext {
  const store = storeOf(
    fetched(fetching('s1', 'bob', START), 1, message),
    fetched(fetching('s2', 'bob', START + 5_000), 1, LUNCH),
  )
  return troubledScene({ store, size })
}

describe('a hostile text stays within its field', () => {
  it('as a subject in the list of messages', () => {
    for (const size of SIZES) {
      const draw = (subject: string): readonly string[] => {
        const mail = invoice({ subject: encodedWord(subject) })
        const context = mailContext(mail + 'x'.repeat(99_000 - mail.length), size)
        return screenOf(messagesScreen, messagesScreen.open(NO_ARGUMENT, context), context)
      }
      const plain = draw(PLAIN)
      const head = plain[0] ?? ''
      const field = { row: /RETR 1.*plain/, from: head.indexOf('SUBJECT'), to: head.indexOf('FROM') }
      expect(field.from).toBeGreaterThan(0)
      fc.assert(
        fc.property(hostile, (text) => {
          expect(differencesOutside(plain, draw(text), field)).toEqual([])
        }),
        { numRuns: 60 },
      )
    }
  })

  it('as a subject in the overview of a message', () => {
    const draw = (subject: string): readonly string[] => {
      const context = mailContext(invoice({ subject: encodedWord(subject) }))
      const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
      return screenOf(messageScreen, state, context)
    }
    const plain = draw(PLAIN)
    const field = { row: /^ Subject +plain/, from: ' Subject    '.length, to: null }
    expect(plain.some((line) => field.row.test(line))).toBe(true)
    fc.assert(
      fc.property(hostile, (text) => {
        expect(differencesOutside(plain, draw(text), field)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('as a file name in the outline and among the attachments', () => {
    for (const size of SIZES) {
      const draw = (name: string): readonly string[] => {
        const context = mailContext(invoice({ file: encodedWord(name) }), size)
        const opened = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
        // The octets of a text part: the header of the part stands in those of the multipart only.
        return screenOf(messageScreen, opened, context)
      }
      const plain = draw(PLAIN)
      const line = plain.find((each) => each.includes('"plain"')) ?? ''
      const width = size === SMALL ? 80 : Math.floor((160 - 1) / 2)
      const field = { row: /"plain"/, from: cellsOf(line).indexOf('"'), to: width - 8 }
      expect(field.from).toBeGreaterThan(0)
      fc.assert(
        fc.property(hostile, (text) => {
          expect(differencesOutside(plain, draw(text), field)).toEqual([])
        }),
        { numRuns: 60 },
      )
    }
  })

  it('as the text of a mail, which changes nothing above it', () => {
    const draw = (text: string): readonly string[] => {
      const body = Buffer.from(text, 'utf8').toString('base64')
      const header =
        'Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64'
      const context = mailContext(`${header}\r\n\r\n${body}\r\n`)
      const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
      return screenOf(messageScreen, state, context)
    }
    const above = (rows: readonly string[]): readonly string[] =>
      rows.slice(0, rows.findIndex((line) => line.includes('Text of 1')) + 1)
    const plain = above(draw(PLAIN)).map(withoutSizes)
    expect(plain.length).toBeGreaterThan(3)
    fc.assert(
      fc.property(hostile, (text) => {
        expect(above(draw(text)).map(withoutSizes)).toEqual(plain)
      }),
      { numRuns: 60 },
    )
  })

  it('as a line of the log', () => {
    const draw = (text: string): readonly string[] => {
      const lines = [text, 'the selected line'].map((msg) =>
        logLine(JSON.stringify({ level: 30, time: NOW, event: 'event', session: 'alice-1', msg })),
      )
      const context = troubledScene({ log: { lines, dropped: 0 } })
      return screenOf(logScreen, logScreen.open(NO_ARGUMENT, context), context)
    }
    const plain = draw(PLAIN)
    const field = { row: /event plain/, from: (plain[0] ?? '').indexOf('MESSAGE'), to: null }
    expect(plain.some((line) => field.row.test(line))).toBe(true)
    fc.assert(
      fc.property(hostile, (text) => {
        expect(differencesOutside(plain, draw(text), field)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('as the filter of a breakpoint', () => {
    const draw = (filter: string): readonly string[] => {
      const given = { kinds: ['message'], isOn: true, holdMs: 1_000, hits: 1, lastHitAt: NOW } as const
      const context = troubledScene({
        breakpoints: [
          { ...given, id: 'b0', filter: 'the selected one' },
          { ...given, id: 'b1', filter },
        ],
      })
      return screenOf(rulesScreen, rulesScreen.open(NO_ARGUMENT, context), context)
    }
    const plain = draw(PLAIN)
    const head = plain.find((line) => line.includes('RULE')) ?? ''
    const field = { row: /on +plain/, from: head.indexOf('RULE'), to: head.indexOf('DOES') }
    fc.assert(
      fc.property(hostile, (text) => {
        expect(differencesOutside(plain, draw(text), field)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('as what a server says, among the last errors', () => {
    const size = { columns: 80, rows: 60 }
    const draw = (text: string): readonly string[] => {
      const script = fetching('s1', 'bob', START)
      // As the relay tells it: harmless already, and still as long and as wide as it likes.
      script.exchange('XFOO').tell({
        type: 'reply',
        number: 5,
        verb: 'XFOO',
        source: 'server',
        indicator: '-ERR',
        responseCode: null,
        text: safeText(text, 4_096),
        afterMs: 1,
        wire: null,
      })
      const context = troubledScene({ store: storeOf(script), size })
      return screenOf(statisticsScreen, statisticsScreen.open(NO_ARGUMENT, context), context)
    }
    const plain = draw(PLAIN)
    const line = plain.find((each) => each.includes('refused XFOO: plain')) ?? ''
    const field = { row: /refused XFOO: plain/, from: line.indexOf('plain'), to: null }
    expect(field.from).toBeGreaterThan(0)
    fc.assert(
      fc.property(hostile, (text) => {
        expect(differencesOutside(plain, draw(text), field)).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})
