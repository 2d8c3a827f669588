import { describe, expect, test } from 'vitest'
import { SIGN_OF_LIFE_MS, SignsOfLife } from '../../src/relay/signs-of-life.js'

const STATUS_LINE = Buffer.from('+ok 5 octets\r\n')

describe('signs of life', () => {
  test('come in the octets of the server, and later what is left of its line', () => {
    const life = new SignsOfLife(1_000)
    expect(life.at).toBe(1_000 + SIGN_OF_LIFE_MS)
    expect(life.next(20_000, STATUS_LINE).toString()).toBe('+ok')
    expect(life.at).toBe(20_000 + SIGN_OF_LIFE_MS)
    expect(life.next(30_000, STATUS_LINE).toString()).toBe(' ')
    expect(life.isCommitted).toBe(true)
    expect(life.restOf(STATUS_LINE).toString()).toBe(' 5 octets\r\n')
    expect(life.at).toBe(Number.POSITIVE_INFINITY)
  })

  test('begin with +OK where the server has not answered yet', () => {
    expect(new SignsOfLife(0).next(1, null).toString()).toBe('+OK')
  })

  test('leave the line as it is where none was given', () => {
    expect(new SignsOfLife(0).restOf(STATUS_LINE)).toBe(STATUS_LINE)
  })
})
