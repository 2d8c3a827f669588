import { describe, expect, it } from 'vitest'
import { mboxEntry } from '../../src/export/mbox.js'
import { message } from './sessions.js'

describe('a message in an mbox', () => {
  it('stands behind a separator line with the time, and before a blank line', () => {
    expect(mboxEntry(message('Subject: x\r\n\r\nbody\r\n')).toString('latin1')).toBe(
      'From MAILER-DAEMON Sun Nov  1 09:05:07 2026\nSubject: x\n\nbody\n\n',
    )
  })

  it('has lines that look like a separator quoted, once more where they are already', () => {
    const text = mboxEntry(
      message('Subject: x\r\n\r\nFrom here\r\n>From there\r\n>>From far\r\n From\r\nFrom: no\r\n'),
    ).toString('latin1')
    expect(text.split('\n').slice(3, 8)).toEqual([
      '>From here',
      '>>From there',
      '>>>From far',
      ' From',
      'From: no',
    ])
  })

  it('ends its last line where the message does not, and keeps octets that are no text', () => {
    expect(mboxEntry(message('x\xff\x00y')).toString('latin1')).toContain('\nx\xff\x00y\n\n')
    expect(mboxEntry(message('')).toString('latin1').split('\n')).toHaveLength(3)
  })

  it('takes no lone CR for the beginning of a line', () => {
    expect(mboxEntry(message('x\rFrom here\r\n')).toString('latin1')).toContain('\nx\rFrom here\n')
  })
})
