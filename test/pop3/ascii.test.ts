import { expect, it } from 'vitest'
import { upperCaseOf } from '../../src/pop3/ascii.js'
import { decodeStatusLine } from '../../src/pop3/reply-decoder.js'

it('turns ASCII letters into upper case and leaves every other Latin-1 character as it is', () => {
  expect(upperCaseOf('retr')).toBe('RETR')
  const latin1 = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)).toString('latin1')
  const letters = (character: string): string =>
    /[a-z]/.test(character) ? character.toUpperCase() : character
  expect(upperCaseOf(latin1)).toBe([...latin1].map(letters).join(''))
})

it('keeps a response code within Latin-1', () => {
  expect(decodeStatusLine(Buffer.from('-ERR [sys\xff\xb5\xdf] x\r\n', 'latin1'))?.status.responseCode).toBe(
    'SYS\xff\xb5\xdf',
  )
})
