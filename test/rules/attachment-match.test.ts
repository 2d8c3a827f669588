import { expect, test } from 'vitest'
import { type AttachmentWish, attachmentMatch, wildcardPattern } from '../../src/rules/attachment-match.js'
import { expectGrowth } from '../support/growth.js'

const OF_ANY = { path: '1', size: 1, files: [], isUnlisted: false }

const is = (wish: AttachmentWish, name: string, type = 'application/pdf') =>
  attachmentMatch(wish)({ ...OF_ANY, name, type })

test.each<[AttachmentWish, string, boolean]>([
  [{}, 'a.pdf', true],
  [{ names: ['*.exe', '*.js'] }, 'A.EXE', true],
  [{ names: ['*.exe'] }, 'a.exe.pdf', false],
  [{ names: ['a?.[x]'] }, 'ab.[x]', true],
  [{ names: ['a?.[x]'] }, 'ab.x', false],
  [{ names: ['ü*\\d'] }, 'Ü1\\d', true],
  [{ pattern: '\\.(exe|js)$' }, 'a.js', true],
  [{ types: ['application/*'] }, 'a', true],
  [{ types: ['application'] }, 'a', false],
  [{ names: ['*.exe'], types: ['Application/PDF'] }, 'a', true],
])('%j means %s: %s', (wish, name, expected) => {
  expect(is(wish, name)).toBe(expected)
})

test('costs time linear to the name, stars and all', () => {
  const isMeant = attachmentMatch({ names: ['*a*a*a*a*a*a*b'] })
  expectGrowth('linear', { from: 200 }, (length) => {
    const name = 'a'.repeat(length)
    return () => isMeant({ ...OF_ANY, name, type: '' })
  })
})

test('a wildcard is no pattern', () => {
  expect(wildcardPattern('a+(b)')).not.toContain('(b)')
})

test('a second name counts as the first does', () => {
  const isMeant = attachmentMatch({ names: ['*.exe'] })
  expect(isMeant({ ...OF_ANY, name: 'a.pdf', otherName: 'a.exe', type: '' })).toBe(true)
  expect(isMeant({ ...OF_ANY, name: 'a.pdf', otherName: 'b.pdf', type: '' })).toBe(false)
})
