import { describe, expect, it } from 'vitest'
import {
  cutRow,
  fitRow,
  highlightRow,
  joinPanes,
  row,
  rowText,
  rowWidth,
  span,
  spreadRow,
  tableRow,
  titleRow,
} from '../../src/dashboard/spans.js'

describe('span', () => {
  it('makes any text harmless', () => {
    expect(span('\x1b[2J{bold}', 'server')).toEqual({ text: '␛[2J{bold}', style: 'server' })
  })
})

describe('tableRow', () => {
  it('cuts and fills each column, and leaves out those without width', () => {
    const made = tableRow([
      { text: '4794', width: 6, align: 'right' },
      { text: 'gone', width: 0 },
      { text: 'alice@example.org', width: 8, style: 'bold' },
    ])
    expect(rowText(made)).toBe('  4794 alice@e…')
    expect(made.at(-1)?.style).toBe('bold')
  })
})

describe('fitRow and cutRow', () => {
  it('fill with the style asked for', () => {
    expect(fitRow(row('ab'), 4, 'selected').at(-1)).toEqual({ text: '  ', style: 'selected' })
  })

  it('put the ellipsis into the span that is cut', () => {
    const cut = cutRow(row('ab', span('cdef', 'bold'), 'gh'), 5)
    expect(rowText(cut)).toBe('abcd…')
    expect(cut.at(-1)?.style).toBe('bold')
  })

  it('cut where the border between two spans is the last cell', () => {
    expect(rowText(cutRow(row('abc', span('def', 'bold')), 3))).toBe('ab…')
    expect(rowText(cutRow(row('abc', span('def', 'bold')), 4))).toBe('abc…')
  })

  it('keep the width where a wide character is cut in half', () => {
    expect(rowWidth(fitRow(row('漢字漢字'), 4))).toBe(4)
    expect(rowWidth(fitRow(row('x', '漢字漢字'), 6))).toBe(6)
  })

  it('give nothing for no width', () => {
    expect(rowText(cutRow(row('abc'), 0))).toBe('')
    expect(rowText(fitRow(row('abc'), -1))).toBe('')
  })
})

describe('spreadRow', () => {
  it('keeps the right part and cuts the left one', () => {
    expect(rowText(spreadRow(row('a long left part'), row('41 of 48'), 16))).toBe('a long …41 of 48')
  })
})

describe('highlightRow', () => {
  it('marks each occurrence, upper and lower case alike', () => {
    expect(highlightRow(row('User USER'), 'user')).toEqual([
      { text: 'User', style: 'match' },
      { text: ' ', style: 'plain' },
      { text: 'USER', style: 'match' },
    ])
  })

  it('marks nothing for no search, and nothing where lower case is longer', () => {
    expect(highlightRow(row('abc'), '')).toEqual(row('abc'))
    expect(highlightRow(row('İabc'), 'abc')).toEqual(row('İabc'))
  })
})

describe('joinPanes', () => {
  it('puts panes of unlike height side by side', () => {
    const rows = joinPanes({
      left: [row('one')],
      right: [row('1'), row('2')],
      leftWidth: 4,
      rightWidth: 2,
      rows: 3,
      isUnicode: false,
    })
    expect(rows.map(rowText)).toEqual(['one |1 ', '    |2 ', '    |  '])
  })
})

describe('titleRow', () => {
  it.each([20, 6, 2, 1, 0])('is a line of %i cells', (width) => {
    expect(rowWidth(titleRow('Session', width, true))).toBe(width)
  })

  it('has its title in it', () => {
    expect(rowText(titleRow('Text', 12, false))).toBe('-- Text ----')
  })
})
