import { describe, expect, test } from 'vitest'
import { GatheredReply, SIGN_OF_LIFE_MS } from '../../src/relay/gathered-reply.js'
import { HoldingRoom } from '../../src/relay/holding-room.js'

const status = { indicator: '+OK', responseCode: null, text: '5 octets' } as const
const wire = Buffer.from('+ok 5 octets\r\n')

function gathered(most: number, room: HoldingRoom | null = null): GatheredReply {
  return new GatheredReply('message', { status, wire }, { most, room }, 1_000)
}

describe('a gathered reply', () => {
  test('keeps pieces up to its bound and says which bound it was', () => {
    const room = new HoldingRoom(7)
    const reply = gathered(5, room)
    expect(reply.add(Buffer.from('abc'))).toBeNull()
    expect(reply.add(Buffer.from('def'))).toBe('too-large')
    expect(gathered(9, room).add(Buffer.from('abcde'))).toBe('no-room')
    expect(reply.add(Buffer.from('de'))).toBeNull()
    expect(Buffer.concat(reply.pieces).toString()).toBe('abcde')
    expect(room.taken).toBe(5)
    reply.leave()
    reply.leave()
    expect(room.taken).toBe(0)
  })

  test('gives signs of life in the octets of the server, and later what is left of its line', () => {
    const reply = gathered(5)
    expect(reply.restOf(wire)).toBe(wire)
    expect(reply.signOfLifeAt).toBe(1_000 + SIGN_OF_LIFE_MS)
    expect(reply.signOfLife(20_000).toString()).toBe('+ok')
    expect(reply.signOfLifeAt).toBe(20_000 + SIGN_OF_LIFE_MS)
    expect(reply.signOfLife(30_000).toString()).toBe(' ')
    expect(reply.isCommitted).toBe(true)
    expect(reply.restOf(wire).toString()).toBe(' 5 octets\r\n')
  })

  test('that is a capability list gives none', () => {
    const list = new GatheredReply('capabilities', { status, wire }, { most: 5, room: null }, 0)
    expect(list.signOfLifeAt).toBe(Number.POSITIVE_INFINITY)
  })
})
