import { describe, expect, it } from 'vitest'
import { emlName } from '../../src/export/eml.js'
import { message } from './sessions.js'

describe('the name of a message file', () => {
  it('says session, command and message', () => {
    expect(emlName(message(''))).toBe('7f3a-1-4-message-2.eml')
  })

  it('cannot leave its directory, hide, or grow, whatever a recording says', () => {
    for (const session of [
      '../../etc/passwd',
      '..',
      '.hidden',
      '',
      'a/b\\c:d\0e',
      '\u202e'.repeat(900),
      'CON ',
    ]) {
      const name = emlName(message('', { session, messageNumber: '9'.repeat(900) }))
      expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}-4-message-9{10}\.eml$/)
    }
  })
})
