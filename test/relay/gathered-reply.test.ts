import { describe, expect, test } from 'vitest'
import { GatheredReply } from '../../src/relay/gathered-reply.js'
import { HoldingRoom } from '../../src/relay/holding-room.js'

const status = { indicator: '+OK', responseCode: null, text: '5 octets' } as const
const wire = Buffer.from('+ok 5 octets\r\n')

function gathered(most: number, room: HoldingRoom | null = null): GatheredReply {
  return new GatheredReply('message', { status, wire }, { most, room })
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

  test('that does not fit keeps nothing from then on, and gives its room back', () => {
    const room = new HoldingRoom(7)
    const reply = gathered(5, room)
    reply.add(Buffer.from('abc'))
    reply.giveUp('too-large')
    expect(reply.add(Buffer.from('d'))).toBe('too-large')
    expect(reply.notKept).toBe('too-large')
    expect(reply.pieces).toEqual([])
    expect(room.taken).toBe(0)
  })

  test('of which enough is here keeps that and no more', () => {
    const reply = gathered(5)
    reply.add(Buffer.from('abc'))
    reply.stop()
    expect(reply.add(Buffer.from('d'))).not.toBeNull()
    expect(Buffer.concat(reply.pieces).toString()).toBe('abc')
  })
})
