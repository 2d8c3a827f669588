import { describe, expect, it } from 'vitest'
import {
  editLine,
  insert,
  LINE_CHARACTERS,
  type Line,
  lineOf,
  viewLine,
} from '../../src/dashboard/line-editor.js'

/** A line in which `|` is the cursor. */
function line(marked: string): Line {
  return { text: marked.replace('|', ''), cursor: marked.indexOf('|') }
}

function marked({ text, cursor }: Line): string {
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`
}

describe('editLine', () => {
  it.each([
    ['left', 'ab|c', 'a|bc'],
    ['left', '|abc', '|abc'],
    ['right', 'ab|c', 'abc|'],
    ['right', 'abc|', 'abc|'],
    ['home', 'ab|c', '|abc'],
    ['C-e', 'ab|c', 'abc|'],
    ['backspace', 'ab|c', 'a|c'],
    ['backspace', '|abc', '|abc'],
    ['delete', 'ab|c', 'ab|'],
    ['C-w', 'user == "bob|"', 'user == "|"'],
    ['C-u', 'ab|c', '|c'],
    ['C-k', 'ab|c', 'ab|'],
    ['M-b', 'errors > 10|', 'errors > |10'],
    ['M-f', '|errors > 10', 'errors| > 10'],
    ['backspace', 'a👨‍👩‍👧‍👦|b', 'a|b'],
    ['left', 'e\u0301|', '|e\u0301'],
  ])('%s on %s gives %s', (key, before, after) => {
    expect(editLine(line(before), key)).toEqual(line(after))
  })

  it('leaves other keys to others', () => {
    expect(editLine(line('a|'), 'f5')).toBeNull()
  })
})

describe('insert', () => {
  it('writes at the cursor', () => {
    expect(marked(insert(line('a|d'), 'bc'))).toBe('abc|d')
  })

  it('makes one line of a paste', () => {
    expect(insert(lineOf(''), 'one\r\ntwo\x1b[2J').text).toBe('one two [2J')
  })

  it('is bounded', () => {
    expect(insert(lineOf(''), 'x'.repeat(LINE_CHARACTERS + 5)).text.length).toBe(LINE_CHARACTERS)
    expect(lineOf('x'.repeat(LINE_CHARACTERS + 5)).text.length).toBe(LINE_CHARACTERS)
  })
})

describe('viewLine', () => {
  it('shows the beginning while the cursor is within', () => {
    expect(viewLine(line('abc|'), 10)).toEqual({ text: 'abc', cursor: 3, hidden: 0 })
  })

  it('shows what is left of the cursor where the line is longer', () => {
    expect(viewLine(line('abcdefgh|'), 5)).toEqual({ text: 'efgh', cursor: 4, hidden: 4 })
  })

  it('counts cells, not characters', () => {
    expect(viewLine(line('漢字|'), 10)).toEqual({ text: '漢字', cursor: 4, hidden: 0 })
    expect(viewLine(line('漢字漢字|'), 6)).toEqual({ text: '漢字', cursor: 4, hidden: 4 })
  })

  it('has a view for every width', () => {
    for (const width of [-1, 0, 1, 2])
      expect(viewLine(line('漢字|'), width).text.length).toBeLessThanOrEqual(1)
  })
})
