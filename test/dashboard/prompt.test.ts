import { describe, expect, it } from 'vitest'
import { lineOf } from '../../src/dashboard/line-editor.js'
import {
  type Completer,
  openPrompt,
  type Prompt,
  promptKey,
  remember,
  wordBefore,
} from '../../src/dashboard/prompt.js'

const WORDS = ['errors', 'error_code', 'endsWith']
const complete: Completer = (text, cursor) =>
  WORDS.filter((word) => word.startsWith(wordBefore(text, cursor)))

function typed(text: string): Prompt {
  return { ...openPrompt('filter', 'filter', '', 0), line: lineOf(text) }
}

function tab(text: string): Prompt {
  return promptKey(typed(text), 'tab', '', [], complete)
}

describe('promptKey', () => {
  it('writes what a key writes, and nothing for others', () => {
    expect(promptKey(typed('a'), 'b', 'b', [], complete).line.text).toBe('ab')
    const before = typed('a')
    expect(promptKey(before, 'f5', '', [], complete)).toBe(before)
  })

  it('completes a word that is the only one', () => {
    expect(tab('user == "x" && ends').line.text).toBe('user == "x" && endsWith')
    expect(tab('ends').offers).toEqual([])
  })

  it('completes as far as all agree, then offers them', () => {
    const first = tab('er')
    expect(first.line.text).toBe('error')
    expect(first.offers).toEqual(['errors', 'error_code'])
    expect(tab('error').offers).toEqual(['errors', 'error_code'])
    expect(promptKey(first, 's', 's', [], complete).offers).toEqual([])
  })

  it('leaves a line alone that nothing continues', () => {
    expect(tab('zz').line.text).toBe('zz')
    expect(tab('zz').offers).toEqual([])
  })

  it('goes through the history, and back to what was typed', () => {
    const history = ['first', 'second']
    const step = (prompt: Prompt, key: string) => promptKey(prompt, key, '', history, complete)
    const once = step(typed('mine'), 'up')
    expect(once.line.text).toBe('second')
    const twice = step(once, 'up')
    expect(twice.line.text).toBe('first')
    expect(step(twice, 'up')).toBe(twice)
    expect(step(step(twice, 'down'), 'down').line.text).toBe('mine')
  })

  it('takes a line of the history for a new one once it is changed', () => {
    const recalled = promptKey(typed('mine'), 'up', '', ['first'], complete)
    const changed = promptKey(recalled, 'x', 'x', ['first'], complete)
    expect(changed.line.text).toBe('firstx')
    expect(promptKey(changed, 'down', '', ['first'], complete).line.text).toBe('firstx')
  })
})

describe('remember', () => {
  it('keeps lines by kind, not twice in a row, no empty one, and not for ever', () => {
    let history = remember(new Map(), 'filter', 'a')
    history = remember(history, 'filter', 'a')
    history = remember(history, 'filter', '')
    history = remember(history, 'command', 'b')
    expect(history.get('filter')).toEqual(['a'])
    expect(history.get('command')).toEqual(['b'])
    for (let index = 0; index < 200; index += 1) history = remember(history, 'filter', String(index))
    expect(history.get('filter')).toHaveLength(100)
    expect(history.get('filter')?.at(-1)).toBe('199')
  })
})
