import { describe, expect, test } from 'vitest'
import { ToldContent } from '../../src/relay/told-content.js'

const taken = (told: ToldContent, pieces: readonly string[]): readonly (string | null)[] =>
  pieces.map((piece) => told.take(Buffer.from(piece))?.toString() ?? null)

describe('what is told', () => {
  test('of a message comes at once and ends within a piece', () => {
    const told = new ToldContent(true, 5)
    expect(taken(told, ['abc', 'defg', 'h'])).toEqual(['abc', 'de', null])
    expect(told.takeRest()).toBeNull()
  })

  test('of a listing comes at its end, once', () => {
    const told = new ToldContent(false, 5)
    expect(taken(told, ['abc', 'defg', 'h'])).toEqual([null, null, null])
    expect(told.takeRest()?.toString()).toBe('abcde')
    expect(told.takeRest()).toBeNull()
  })
})
