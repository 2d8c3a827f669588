import { describe, expect, it } from 'vitest'
import { KeyReader, keyLabel, type TerminalInput } from '../../src/dashboard/keys.js'

function read(...pieces: readonly string[]): readonly TerminalInput[] {
  const reader = new KeyReader()
  const inputs = pieces.flatMap((piece) => [...reader.push(Buffer.from(piece), 0)])
  return [...inputs, ...reader.flush(0)]
}

/** Names of keys. */
function names(...pieces: readonly string[]): readonly string[] {
  return read(...pieces).map((input) => (input.type === 'key' ? input.name : input.type))
}

describe('KeyReader', () => {
  it.each([
    ['j', 'j'],
    ['G', 'S-g'],
    ['?', '?'],
    [' ', 'space'],
    ['\r', 'enter'],
    ['\t', 'tab'],
    ['\x1b[Z', 'S-tab'],
    ['\x7f', 'backspace'],
    ['\x06', 'C-f'],
    ['\x1b', 'escape'],
    ['\x1b[A', 'up'],
    ['\x1bOB', 'down'],
    ['\x1b[5~', 'pageup'],
    ['\x1b[6~', 'pagedown'],
    ['\x1b[H', 'home'],
    ['\x1bOF', 'end'],
    ['\x1b[1;5C', 'C-right'],
    ['\x1bb', 'M-b'],
    ['\x1b\x7f', 'M-backspace'],
    ['\x1b[11~', 'f1'],
    ['\x1b[[B', 'f2'],
    ['ä', 'ä'],
  ])('reads %j as %s', (octets, name) => {
    expect(names(octets)).toEqual([name])
  })

  it('reads one Enter once', () => {
    expect(read('\r')).toEqual([{ type: 'key', name: 'enter', text: '' }])
  })

  it('reads a character outside of the first plane as one key, however its octets arrive', () => {
    const octets = Buffer.from('😀')
    const reader = new KeyReader()
    expect(reader.push(octets.subarray(0, 2), 0)).toEqual([])
    expect(reader.push(octets.subarray(2), 1)).toEqual([{ type: 'key', name: '😀', text: '😀' }])
  })

  it('reads every sequence alike at every split', () => {
    const all = 'j\x1b[A\x1bOB\x1b[1;5C\x1b[<64;10;5M\x1b[200~paste\x1b[201~k\x1b[6~'
    const whole = read(all)
    for (let at = 1; at < all.length; at += 1) expect(read(all.slice(0, at), all.slice(at))).toEqual(whole)
    expect(read(...all)).toEqual(whole)
  })

  it('knows a cursor key that the link tore apart, after Escape had been taken for itself', () => {
    const reader = new KeyReader()
    expect(reader.push(Buffer.from('\x1b'), 0)).toEqual([])
    expect(reader.isWaiting).toBe(true)
    expect(reader.flush(50)).toEqual([{ type: 'key', name: 'escape', text: '' }])
    // Not "[" and "A", which could be keys of their own.
    expect(reader.push(Buffer.from('[A'), 300)).toEqual([{ type: 'key', name: 'up', text: '' }])
  })

  it('takes what a person types behind Escape for typing', () => {
    const reader = new KeyReader()
    reader.push(Buffer.from('\x1b'), 0)
    reader.flush(50)
    expect(reader.push(Buffer.from('['), 200).map((input) => input.type === 'key' && input.name)).toEqual([
      '[',
    ])
    expect(reader.push(Buffer.from('A'), 300).map((input) => input.type === 'key' && input.name)).toEqual([
      'S-a',
    ])
  })

  it('forgets the beginning of a sequence that never ends', () => {
    expect(names('\x1b[1;')).toEqual([])
    expect(names('\x1b[1;\x1b', 'j')).toEqual(['M-j'])
  })

  it('does nothing for sequences that it does not know', () => {
    expect(names('\x1b[?1;2c', '\x1b[99~', '\x1b[I', 'j')).toEqual(['j'])
  })

  it('keeps a marked paste together, and its line ends are no Enter', () => {
    expect(read('\x1b[200~one\rtwo\x1b[201~')).toEqual([{ type: 'paste', text: 'one\rtwo' }])
  })

  it('reads wheel and clicks, all that arrive at once', () => {
    expect(read('\x1b[<64;1;1M\x1b[<65;1;1M\x1b[<0;10;2M\x1b[<0;10;2m')).toEqual([
      { type: 'wheel', direction: -1 },
      { type: 'wheel', direction: 1 },
      { type: 'click', column: 9, row: 1 },
    ])
  })
})

describe('keyLabel', () => {
  it.each([
    ['S-g', 'G'],
    ['C-f', 'Ctrl-F'],
    ['S-tab', 'Shift-Tab'],
    ['escape', 'Esc'],
    ['?', '?'],
    ['j', 'j'],
    ['M-b', 'Alt-B'],
    ['-', '-'],
  ])('words %s as %s', (name, label) => {
    expect(keyLabel(name)).toBe(label)
  })
})
