import { describe, expect, test } from 'vitest'
import { GatheredReply } from '../../src/relay/gathered-reply.js'
import { HoldingRoom } from '../../src/relay/holding-room.js'
import type { RelayEffect } from '../../src/relay/relay-input.js'
import { Spools } from '../../src/relay/spool.js'

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

  test('that does not fit goes into a file with all that was there, and leaves the memory to others', () => {
    const memory = new HoldingRoom(500)
    const effects: RelayEffect[] = []
    const options = { mostOctets: 5_000, keptOctets: 500, room: new HoldingRoom(), memory }
    const spools = new Spools(
      {
        ...options,
        abridger: { textOctets: 20, otherOctets: 20, archiveEndOctets: 0, boundaryLines: 1_000 },
      },
      (effect) => effects.push(effect),
    )
    const bounds = { most: 200, room: memory, beginSpool: () => spools.begin() }
    const reply = new GatheredReply('message', { status, wire }, bounds)
    const line = Buffer.from(`${'x'.repeat(48)}\r\n`)
    reply.add(Buffer.from('Content-Type: image/png\r\n\r\n'))
    for (let lines = 0; lines < 50; lines += 1) expect(reply.add(line)).toBeNull()
    expect(memory.taken).toBeLessThan(250)
    expect(reply.octets).toBe(0)
    expect(effects.filter(({ type }) => type === 'spool')).toHaveLength(51)
    reply.leave()
    expect(memory.taken).toBe(0)
    expect(effects.at(-1)).toEqual({ type: 'drop-spool', id: 1 })
  })

  test('whose file is somebody else’s does not drop it', () => {
    const effects: RelayEffect[] = []
    const room = new HoldingRoom()
    const spools = new Spools({ mostOctets: 500, keptOctets: 500, room, memory: room }, (effect) =>
      effects.push(effect),
    )
    const bounds = { most: 1, room: null, beginSpool: () => spools.begin() }
    const reply = new GatheredReply('own', { status, wire }, bounds)
    expect(reply.add(Buffer.from('abc'))).toBeNull()
    reply.handOver()
    reply.leave()
    expect(effects.map(({ type }) => type)).toEqual(['spool'])
  })

  test('of which enough is here keeps that and no more', () => {
    const reply = gathered(5)
    reply.add(Buffer.from('abc'))
    reply.stop()
    expect(reply.add(Buffer.from('d'))).not.toBeNull()
    expect(Buffer.concat(reply.pieces).toString()).toBe('abc')
  })
})
