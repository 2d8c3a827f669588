import { describe, expect, it } from 'vitest'
import { Maildrop, storeMessages, topOf } from '../../src/demo/maildrop.js'

const text = (value: string) => Buffer.from(value, 'latin1')
const message = text('Subject: a\r\nTo: b\r\n\r\none\r\ntwo\r\nthree\r\n')

describe('storeMessages', () => {
  it('adds the last CRLF where it lacks, and says so', () => {
    const stored = storeMessages([text('a\r\n'), text('a'), text('a\n'), text('a\r')])
    expect(stored.map(({ octets }) => octets.toString('latin1'))).toEqual([
      'a\r\n',
      'a\r\n',
      'a\n\r\n',
      'a\r\r\n',
    ])
    expect(stored.map(({ wasCompleted }) => wasCompleted)).toEqual([false, true, true, true])
  })

  it('keeps any octets, and a message of none', () => {
    const odd = text('\0\r\n\x80\n\r\xff\r\n')
    const stored = storeMessages([odd, Buffer.alloc(0)])
    expect(stored[0]?.octets).toBe(odd)
    expect(stored[1]).toMatchObject({ octets: Buffer.alloc(0), wasCompleted: false })
  })

  it('gives unique-ids that depend on the content, differ in one maildrop and keep to their characters', () => {
    const [first, copy, other] = storeMessages([message, message, text('x\r\n')])
    const again = storeMessages([text('x\r\n'), message])
    expect(again[1]?.uniqueId).toBe(first?.uniqueId)
    expect(again[0]?.uniqueId).toBe(other?.uniqueId)
    expect(copy?.uniqueId).not.toBe(first?.uniqueId)
    for (const stored of [first, copy, other]) expect(stored?.uniqueId).toMatch(/^[\x21-\x7e]{1,70}$/)
  })
})

describe('topOf', () => {
  const top = (octets: Buffer, lines: number) => topOf(octets, lines).toString('latin1')

  it('gives the header section, the blank line and so many lines of the body', () => {
    expect(top(message, 0)).toBe('Subject: a\r\nTo: b\r\n\r\n')
    expect(top(message, 2)).toBe('Subject: a\r\nTo: b\r\n\r\none\r\ntwo\r\n')
  })

  it('gives the whole message where it has no more lines', () => {
    expect(top(message, 3)).toBe(message.toString('latin1'))
    expect(top(message, 99_999_999)).toBe(message.toString('latin1'))
  })

  it('takes a message without a blank line for a header section', () => {
    expect(top(text('Subject: a\r\nTo: b\r\n'), 0)).toBe('Subject: a\r\nTo: b\r\n')
  })

  it('takes a message that begins with a blank line for one without header fields', () => {
    expect(top(text('\r\none\r\n\r\ntwo\r\n'), 1)).toBe('\r\none\r\n')
  })
})

describe('the exclusive-access lock', () => {
  it('lets one session in at a time, and the next when it ends', () => {
    const maildrop = new Maildrop(storeMessages([message]))
    const first = maildrop.open()
    expect(first).not.toBeNull()
    expect(maildrop.open()).toBeNull()
    first?.abandon()
    expect(maildrop.isLocked).toBe(false)
    const second = maildrop.open()
    // An end that is told twice must not open the lock of the session behind it.
    first?.abandon()
    expect(second).not.toBeNull()
    expect(maildrop.isLocked).toBe(true)
  })

  it('removes marked messages by update only', () => {
    const maildrop = new Maildrop(storeMessages([message, text('x\r\n')]))
    const abandoned = maildrop.open()
    abandoned?.markDeleted(1)
    abandoned?.abandon()
    expect(maildrop.messages).toHaveLength(2)
    const updated = maildrop.open()
    updated?.markDeleted(1)
    expect(updated?.update()).toBe(1)
    expect(maildrop.messages.map(({ octets }) => octets.toString())).toEqual(['x\r\n'])
  })
})
