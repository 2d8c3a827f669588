import { describe, expect, it } from 'vitest'
import { FilterError } from '../../src/expression/filter.js'
import { parseBreakpoint } from '../../src/watch/breakpoint-wish.js'

describe('what a breakpoint holds', () => {
  it.each([
    ['command == "DELE"', ['command']],
    ['user == "bob"', ['command']],
    ['invoice', ['command']],
    ['indicator == "-ERR"', ['reply']],
    ['response_code == "IN-USE" && user == "bob"', ['reply']],
    ['subject.contains("x")', ['message']],
    ['size > 1000000', ['message']],
    ['attachments.exists(a, a.name.endsWith(".exe"))', ['message']],
    ['subject.contains("x") || indicator == "-ERR"', ['reply', 'message']],
    ['type == "reply" || command == "DELE"', ['command', 'reply', 'message']],
    ['reply: user == "bob"', ['reply']],
    ['command, message : user == "bob"', ['command', 'message']],
  ])('is seen from its fields, or said before a colon: %s', (text, kinds) => {
    expect(parseBreakpoint(text).kinds).toEqual(kinds)
  })

  it('has its mistakes placed in the whole text', () => {
    const text = 'reply: usre == "bob"'
    try {
      parseBreakpoint(text)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(FilterError)
      if (error instanceof FilterError) expect(error.column).toBe(text.indexOf('usre'))
    }
  })
})
