import { describe, expect, test } from 'vitest'
import { HoldingRoom } from '../../src/relay/holding-room.js'
import type { RelayEffect } from '../../src/relay/relay-input.js'
import { LEAST_SPOOL_OCTETS, type SpoolOptions, Spools } from '../../src/relay/spool.js'

const HEADER = Buffer.from('Content-Type: image/png\r\n\r\n')
const LINE = Buffer.from(`${'x'.repeat(98)}\r\n`)

function spools(more: Partial<SpoolOptions> = {}) {
  const effects: RelayEffect[] = []
  const room = new HoldingRoom(3 * LEAST_SPOOL_OCTETS)
  const memory = new HoldingRoom(100_000)
  const options = { mostOctets: 50_000, keptOctets: 10_000, room, memory, ...more }
  return { spools: new Spools(options, (effect) => effects.push(effect)), effects, room, memory }
}

describe('a message that is spooled', () => {
  test('goes into its file as it came, and stays in memory as far as rules look at it', () => {
    const it = spools()
    const spool = it.spools.begin()
    for (const piece of [HEADER, ...Array.from({ length: 200 }, () => LINE)])
      expect(spool?.add(piece)).toBeNull()
    const whole = spool?.finish()
    if (whole === undefined || typeof whole === 'string') throw new Error('not spooled')
    expect(whole.spooled).toMatchObject({
      id: 1,
      octets: HEADER.length + 20_000,
      received: HEADER.length + 20_000,
    })
    expect(whole.octets.length).toBeLessThan(5_000)
    const file = it.effects.flatMap((effect) => (effect.type === 'spool' ? [effect.octets] : []))
    expect(Buffer.concat(file).length).toBe(HEADER.length + 20_000)
    expect(it.memory.taken).toBe(0)
    expect(it.room.taken).toBe(LEAST_SPOOL_OCTETS)
    whole.spooled.drop()
    whole.spooled.drop()
    it.spools.dropAll()
    expect(it.effects.filter(({ type }) => type === 'drop-spool')).toHaveLength(1)
    expect(it.room.taken).toBe(0)
  })

  test('fits up to its bound, and not with one octet more', () => {
    const at = spools({ mostOctets: HEADER.length + 10 * LINE.length }).spools.begin()
    at?.add(HEADER)
    for (let lines = 0; lines < 10; lines += 1) expect(at?.add(LINE)).toBeNull()
    expect(at?.add(Buffer.from('x'))).toBe('too-large')
  })

  test('fits as long as what stays of it in memory does', () => {
    const lines = 9
    const exactly = HEADER.length + lines * LINE.length
    const it = spools({ keptOctets: exactly })
    const spool = it.spools.begin()
    expect(spool?.add(Buffer.concat([HEADER, ...Array.from({ length: lines }, () => LINE)]))).toBeNull()
    expect(spool?.add(Buffer.from('x'))).toBe('too-large')
  })

  test('finds room in memory and in files, or is told that there is none', () => {
    const tight = spools({ memory: new HoldingRoom(100) }).spools.begin()
    expect(tight?.add(HEADER)).toBeNull()
    expect(tight?.add(LINE)).toBe('no-room')
    const it = spools()
    const some = [1, 2, 3].map(() => it.spools.begin())
    for (const each of some) expect(each?.add(LINE)).toBeNull()
    expect(it.spools.begin()?.add(LINE)).toBe('no-room')
    some[0]?.drop()
    expect(it.spools.begin()?.add(LINE)).toBeNull()
  })

  test('counts no less than the least, and more where it is larger', () => {
    const it = spools({ mostOctets: 2 * LEAST_SPOOL_OCTETS })
    const spool = it.spools.begin()
    spool?.add(HEADER)
    const piece = Buffer.alloc(LEAST_SPOOL_OCTETS, LINE)
    spool?.add(piece)
    expect(it.room.taken).toBe(HEADER.length + piece.length)
  })

  test('that cannot be written is of no use, and says why', () => {
    const it = spools()
    const spool = it.spools.begin()
    spool?.add(HEADER)
    it.spools.failed(1, 'cannot be kept in a file: the disk is full')
    it.spools.failed(7, 'nobody knows this one')
    expect(spool?.add(LINE)).toBe('unwritable')
    expect(spool?.finish()).toBe('unwritable')
    expect(spool?.problem).toBe('cannot be kept in a file: the disk is full')
  })

  test('is none where nothing may be spooled', () => {
    expect(new Spools(null, () => {}).begin()).toBeNull()
  })
})
