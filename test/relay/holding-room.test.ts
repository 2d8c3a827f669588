import { expect, test } from 'vitest'
import { HoldingRoom } from '../../src/relay/holding-room.js'

test('a room takes what fits to the last octet, and nothing of what does not', () => {
  const room = new HoldingRoom(10)
  expect([room.take(6), room.take(5), room.take(4), room.take(1)]).toEqual([true, false, true, false])
  expect(room.taken).toBe(10)
  room.give(4)
  expect([room.taken, room.take(4)]).toEqual([6, true])
})
