import { describe, expect, it } from 'vitest'
import { dashboardObstacle, terminalFacts } from '../../src/dashboard/terminal.js'

const TERMINAL = { isTTY: true }

describe('terminalFacts', () => {
  it.each([
    [{ LANG: 'C.UTF-8' }, true],
    [{ LANG: 'de_DE.utf8' }, true],
    [{ LC_ALL: 'C', LANG: 'C.UTF-8' }, false],
    [{ LC_ALL: '', LC_CTYPE: 'C.UTF-8', LANG: 'C' }, true],
    [{}, false],
  ])('reads from %j that characters beyond ASCII may be used: %s', (environment, isUnicode) => {
    expect(terminalFacts(environment).isUnicode).toBe(isUnicode)
  })

  it('has no colour where NO_COLOR is set to anything', () => {
    expect(terminalFacts({ NO_COLOR: '1' }).hasColour).toBe(false)
    expect(terminalFacts({ NO_COLOR: '' }).hasColour).toBe(true)
  })

  it.each([
    ['screen-256color', 'xterm-256color'],
    ['tmux', 'xterm-256color'],
    ['', 'xterm-256color'],
    ['xterm-kitty', 'xterm-kitty'],
    ['linux', 'linux'],
  ])('looks %s up as %s', (term, name) => {
    expect(terminalFacts({ TERM: term }).name).toBe(name)
  })
})

describe('dashboardObstacle', () => {
  it('is none on a terminal', () => {
    expect(dashboardObstacle(TERMINAL, TERMINAL, { TERM: 'xterm' })).toBeNull()
    expect(dashboardObstacle(TERMINAL, TERMINAL, {})).toBeNull()
  })

  it.each([
    [TERMINAL, {}, 'xterm', 'standard output'],
    [{}, TERMINAL, 'xterm', 'standard input'],
    [TERMINAL, TERMINAL, 'dumb', 'TERM is dumb'],
  ])('is named, with what to do instead', (input, output, term, words) => {
    const obstacle = dashboardObstacle(input, output, { TERM: term })
    expect(obstacle).toContain(words)
    expect(obstacle).toContain('postern dump')
  })
})
