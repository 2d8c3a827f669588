import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Frame, Row, Style } from '../../src/dashboard/frame.js'
import type { TerminalInput } from '../../src/dashboard/keys.js'
import { CLIPBOARD_OCTETS, TerminalScreen } from '../../src/dashboard/screen.js'
import { row, span } from '../../src/dashboard/spans.js'
import { terminalFacts } from '../../src/dashboard/terminal.js'
import { type InProcessTerminal, inProcessTerminal } from '../support/terminal.js'

interface Shown extends InProcessTerminal {
  readonly screen: TerminalScreen
  readonly inputs: TerminalInput[]
}

function shown(environment: Readonly<Record<string, string>> = {}, columns = 40, rows = 6): Shown {
  const terminal = inProcessTerminal(columns, rows)
  const inputs: TerminalInput[] = []
  const facts = terminalFacts({ LANG: 'C.UTF-8', TERM: 'xterm-256color', ...environment })
  const screen = new TerminalScreen(terminal.input, terminal.output, facts, {
    inputs: (made) => inputs.push(...made),
    resized: () => {},
    gone: () => {},
  })
  onTestFinished(() => screen.close())
  return { ...terminal, screen, inputs }
}

function frame(...rows: readonly Row[]): Frame {
  return { rows, cursor: null }
}

const STYLES: readonly Style[] = [
  'plain',
  'dim',
  'bold',
  'heading',
  'selected',
  'client',
  'server',
  'postern',
  'attention',
  'error',
  'match',
]

describe('TerminalScreen', () => {
  it('paints rows, wide characters two cells wide', async () => {
    const { screen, emulator } = shown()
    screen.paint(frame(row('first'), row('漢字|x'), row('é|')))
    await emulator.until('漢字|x')
    expect(emulator.lines().slice(0, 3)).toEqual(['first', '漢字|x', 'é|'])
    expect(emulator.cell(4, 1).text).toBe('|')
  })

  it('leaves no trace of wide characters that move or go', async () => {
    const { screen, emulator } = shown()
    const lines = ['漢字漢字|', 'a漢字漢|', 'ab漢|', '漢漢漢漢漢|', 'abcdefgh|', '']
    for (const [index, line] of lines.entries()) {
      screen.paint(frame(row(line), row(`end ${index}`)))
      await emulator.until(`end ${index}`)
      expect(emulator.lines()[0]).toBe(line)
    }
  })

  it('changes nothing beside the cells of a field, whatever is in it', async () => {
    const hostile = [
      '\x1b[31mred\x1b[2J\x1b[H',
      '\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07',
      '\x9b5;5H\x8e\u202eevil\u2066\u200b',
      '{red-fg}{bold}{/}',
      '👨‍👩‍👧‍👦😀⚠️🇩🇪e\u0334\u0335\u0336',
      '\ud800\udfff\x00\x7f\x08\x08\r\n',
      'x'.repeat(4_096),
      'กำ ن ﷽ ꧅',
    ]
    const { screen, emulator } = shown()
    for (const [index, text] of hostile.entries()) {
      // A field of 20 cells between two others, in the second of three rows.
      const field = span(text).text.slice(0, 10)
      screen.paint(frame(row('above'), row('left ', span(field, 'server'), ' right'), row(`below ${index}`)))
      await emulator.until(`below ${index}`)
      const lines = emulator.lines()
      expect(lines[0]).toBe('above')
      expect(lines[1]).toBe(`left ${field} right`)
      expect(lines.slice(2).join('')).toBe(`below ${index}`)
      expect(emulator.cell(0, 0)).toMatchObject({ text: 'a', hasColour: false })
      expect(emulator.cell(0, 1)).toMatchObject({ text: 'l', hasColour: false })
      expect(emulator.cell(0, 2)).toMatchObject({ text: 'b', hasColour: false })
    }
    expect(emulator.terminal.buffer.active.type).toBe('alternate')
  })

  it('harms nobody where a span did not go through cells', async () => {
    const { screen, emulator } = shown()
    screen.paint(frame([{ text: 'a\x1b[2Jb\u202ec', style: 'plain' }]))
    expect(await emulator.until('a?')).toContain('a?[2Jb?c')
  })

  it('writes nothing where nothing changed, and only what did', async () => {
    const { screen, emulator } = shown()
    screen.paint(frame(row('one'), row('two')))
    await emulator.until('two')
    const before = emulator.written.length
    screen.paint(frame(row('one'), row('two')))
    await wait(20)
    expect(emulator.written.length).toBe(before)
    screen.paint(frame(row('one'), row('twx')))
    await emulator.until('twx')
    expect(emulator.written.slice(before)).not.toContain('one')
  })

  it('paints all of it after a redraw', async () => {
    const { screen, emulator } = shown()
    screen.paint(frame(row('one')))
    await emulator.until('one')
    await emulator.write('\x1b[2Jrubbish')
    screen.redraw()
    screen.paint(frame(row('one')))
    await emulator.until((text) => text.trim() === 'one')
  })

  it('uses colours, and none with NO_COLOR: what is important is bold, inverse or underlined', async () => {
    const painted = async (environment: Readonly<Record<string, string>>) => {
      const { screen, emulator } = shown(environment, 40, STYLES.length + 1)
      screen.paint(frame(...STYLES.map((style) => row(span(style, style))), row('end')))
      await emulator.until('end')
      return { emulator, written: emulator.written }
    }
    const coloured = await painted({})
    expect(STYLES.filter((_, index) => coloured.emulator.cell(0, index).hasColour)).toEqual([
      'dim',
      'heading',
      'client',
      'server',
      'attention',
      'error',
    ])
    const { emulator, written } = await painted({ NO_COLOR: '1' })
    expect(STYLES.filter((_, index) => emulator.cell(0, index).hasColour)).toEqual([])
    // No colour by number, no colour by name.
    expect(written).not.toMatch(/\x1b\[[\d;]*[349][0-8][;m\d]/)
    expect(emulator.cell(0, STYLES.indexOf('selected')).isInverse).toBe(true)
    expect(emulator.cell(0, STYLES.indexOf('error')).isInverse).toBe(true)
  })

  it('uses of eight colours those that are readable on any ground', async () => {
    const { screen, emulator } = shown({ TERM: 'xterm' })
    screen.paint(frame(row(span('grey', 'dim'), span('orange', 'server')), row('end')))
    await emulator.until('end')
    expect(emulator.cell(0, 0).hasColour).toBe(false)
    expect(emulator.written).toContain('\x1b[35morange')
  })

  it('writes nothing but ASCII where the locale is not UTF-8', async () => {
    const { screen, emulator } = shown({ LANG: 'C' })
    screen.paint(frame(row('│─└…·漢é|')))
    expect(await emulator.until('|-')).toContain('|-`~.???|')
    expect(emulator.written).toMatch(/^[\x00-\x7f]*$/)
  })

  it('shows the cursor where a line is typed, and hides it else', async () => {
    const { screen, emulator } = shown()
    screen.paint({ rows: [row('x')], cursor: { column: 3, row: 2 } })
    await emulator.until('x')
    const { active } = emulator.terminal.buffer
    expect([active.cursorX, active.cursorY]).toEqual([3, 2])
    expect(emulator.written.lastIndexOf('\x1b[?25h')).toBeGreaterThan(
      emulator.written.lastIndexOf('\x1b[?25l'),
    )
    screen.paint(frame(row('y')))
    await emulator.until('y')
    expect(emulator.written.lastIndexOf('\x1b[?25l')).toBeGreaterThan(
      emulator.written.lastIndexOf('\x1b[?25h'),
    )
  })

  it('paints at every size, down to a single cell', async () => {
    const terminal = shown({}, 80, 24)
    for (const [columns, rows] of [
      [300, 80],
      [40, 10],
      [2, 2],
      [1, 1],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows)
      expect(terminal.screen.size).toEqual({ columns, rows })
      terminal.screen.paint(frame(...Array.from({ length: rows }, () => row('漢字'.repeat(columns)))))
    }
    await terminal.emulator.until('漢字漢字')
  })

  it('skips a frame while the terminal has not read the last one', () => {
    const terminal = inProcessTerminal(40, 6)
    const stalled = Object.assign(terminal.output, {})
    Object.defineProperty(stalled, 'writableLength', { get: () => 100 })
    const screen = new TerminalScreen(terminal.input, stalled, terminalFacts({}), {
      inputs: () => {},
      resized: () => {},
      gone: () => {},
    })
    onTestFinished(() => screen.close())
    expect(screen.paint(frame(row('x')))).toBe(false)
  })

  it('waits for the rest of a sequence, and takes a lone Escape for the key', async () => {
    const { type, inputs } = shown()
    type('\x1b')
    await wait(10)
    type('[A')
    await wait(100)
    expect(inputs.map((input) => input.type === 'key' && input.name)).toEqual(['up'])
    type('\x1b')
    await wait(100)
    expect(inputs.map((input) => input.type === 'key' && input.name)).toEqual(['up', 'escape'])
  })

  it('takes clicks and wheel once asked, and no motion', async () => {
    const { screen, emulator } = shown()
    screen.paint(frame(row('x')))
    await emulator.until('x')
    expect(emulator.terminal.modes.mouseTrackingMode).toBe('none')
    screen.setMouse(true)
    await wait(20)
    expect(emulator.terminal.modes.mouseTrackingMode).toBe('vt200')
    screen.setMouse(false)
    await wait(20)
    expect(emulator.terminal.modes.mouseTrackingMode).toBe('none')
  })

  it('copies with OSC 52, bounded', async () => {
    const { screen, emulator } = shown()
    expect(screen.copy('é\x1b')).toBe(true)
    await wait(20)
    expect(emulator.written).toContain(`\x1b]52;c;${Buffer.from('é\x1b').toString('base64')}\x07`)
    expect(screen.copy('x'.repeat(CLIPBOARD_OCTETS + 1))).toBe(false)
  })

  it('leaves the terminal as it was, twice where asked twice', async () => {
    const { screen, emulator, input } = shown()
    screen.setMouse(true)
    screen.paint(frame(row('x')))
    await emulator.until('x')
    expect(emulator.terminal.modes.bracketedPasteMode).toBe(true)
    screen.restore()
    await screen.close()
    await wait(20)
    expect(emulator.isAlternate).toBe(false)
    expect(emulator.terminal.modes.mouseTrackingMode).toBe('none')
    expect(emulator.terminal.modes.bracketedPasteMode).toBe(false)
    expect(emulator.written.lastIndexOf('\x1b[?25h')).toBeGreaterThan(
      emulator.written.lastIndexOf('\x1b[?25l'),
    )
    expect(input.listenerCount('data')).toBe(0)
    expect(screen.paint(frame(row('y')))).toBe(false)
  })

  it('gives the terminal away for a while, and paints all of it afterwards', async () => {
    const { screen, emulator, type, inputs } = shown()
    screen.paint(frame(row('x')))
    await emulator.until('x')
    screen.suspend()
    await wait(20)
    expect(emulator.isAlternate).toBe(false)
    type('j')
    screen.resume()
    screen.paint(frame(row('x')))
    await emulator.until('x')
    expect(emulator.isAlternate).toBe(true)
    // What was typed meanwhile was for somebody else, or comes now: never lost halfway into a sequence.
    await wait(80)
    expect(inputs.length).toBeLessThanOrEqual(1)
  })
})
