import { describe, expect, test } from 'vitest'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { describeMessage } from '../../src/mail/message.js'

const MAIL = [
  'Subject: =?utf-8?q?J=C3=BCrgen?=',
  'X-Folded: one',
  '\ttwo',
  ' three',
  'X-Folded: other',
  'X-Harmful: a\x1b[31mb',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: multipart/alternative; boundary=c',
  '',
  '--c',
  'Content-Type: text/plain',
  'Content-Transfer-Encoding: base64',
  '',
  'aGVsbG8NCndvcmxk',
  '--c',
  'Content-Type: text/html',
  '',
  '<p>hello</p><p>hidden</p>',
  '--c--',
  '--b',
  'Content-Type: text/plain; name=notes.txt',
  '',
  'attached',
  '--b--',
  '',
].join('\r\n')

describe('rawHeaders', () => {
  test('are as written, unfolded, harmless, the first of each', () => {
    const { rawHeaders } = describeMessage(Buffer.from(MAIL))
    expect(rawHeaders.get('subject')).toBe('=?utf-8?q?J=C3=BCrgen?=')
    expect(rawHeaders.get('x-folded')).toBe('one two three')
    expect(rawHeaders.get('x-harmful')).toBe('a\\x1b[31mb')
    expect(rawHeaders.has('X-Folded')).toBe(false)
  })
})

describe('body', () => {
  test('has every text part that is no attachment', () => {
    const { body } = describeMessage(Buffer.from(MAIL))
    expect(body).toContain('hello\nworld\n')
    expect(body).toContain('hidden')
    expect(body).not.toContain('attached')
  })

  test('ends at the bound, all parts together', () => {
    const bodyUpTo = (textOctets: number) =>
      describeMessage(Buffer.from(MAIL), { ...MAIL_LIMITS, textOctets }).body
    expect(bodyUpTo(5)).toBe('hello\n… (only the first 5 octets)')
    // Lines are joined by LF, so one octet is left for the second part.
    expect(bodyUpTo(12)).toMatch(/^hello\nworld/)
    expect(bodyUpTo(12)).not.toContain('hidden')
  })
})
