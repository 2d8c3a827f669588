import { format, inspect } from 'node:util'
import { expect, it } from 'vitest'
import { declassify, Secret } from '../../src/pop3/secret.js'

const secret = new Secret(Buffer.from('hunter2'))

it('prints as "[redacted]" however it is printed', () => {
  expect(String(secret)).toBe('[redacted]')
  expect(`${secret}`).toBe('[redacted]')
  expect(JSON.stringify({ secret })).toBe('{"secret":"[redacted]"}')
  expect(inspect({ secret })).toBe('{ secret: [redacted] }')
  expect(format('%s %o %O %j %i', secret, secret, secret, secret, secret)).not.toContain('hunter2')
})

it('keeps its octets from every way of looking into an object', () => {
  const looks = [
    inspect(secret, { showHidden: true, customInspect: false, depth: null }),
    JSON.stringify(Object.entries(secret)),
    JSON.stringify(Object.getOwnPropertyNames(secret)),
    JSON.stringify({ ...secret }),
    inspect(structuredClone(secret)),
    inspect(new Error('refused', { cause: secret })),
  ]
  for (const look of looks) {
    expect(look).not.toContain('hunter2')
    expect(look).not.toContain('68 75 6e')
  }
})

it('tells its length and opens to declassify alone', () => {
  expect(secret.octets).toBe(7)
  expect(declassify(secret).toString()).toBe('hunter2')
})
