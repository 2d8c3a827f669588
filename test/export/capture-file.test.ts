import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { beginsLikeCapture, type CaptureItem, CaptureReader } from '../../src/export/capture-file.js'

/** Writes numbers in one of the two byte orders. */
class Octets {
  readonly #parts: Buffer[] = []
  readonly isLittle: boolean

  constructor(isLittle: boolean) {
    this.isLittle = isLittle
  }

  u16(value: number): this {
    const octets = Buffer.alloc(2)
    if (this.isLittle) octets.writeUInt16LE(value)
    else octets.writeUInt16BE(value)
    return this.raw(octets)
  }

  u32(value: number): this {
    const octets = Buffer.alloc(4)
    if (this.isLittle) octets.writeUInt32LE(value)
    else octets.writeUInt32BE(value)
    return this.raw(octets)
  }

  raw(octets: Buffer): this {
    this.#parts.push(octets)
    return this
  }

  get all(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

function pcap(
  isLittle: boolean,
  isNano: boolean,
  packets: readonly { at: [number, number]; octets: Buffer }[],
): Buffer {
  const file = new Octets(isLittle)
  file
    .u32(isNano ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2)
    .u16(4)
    .u32(0)
    .u32(0)
    .u32(65_535)
    .u32(1)
  for (const { at, octets } of packets)
    file.u32(at[0]).u32(at[1]).u32(octets.length).u32(octets.length).raw(octets)
  return file.all
}

function block(isLittle: boolean, type: number, body: Buffer): Buffer {
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4)
  const length = 12 + body.length + padding.length
  return new Octets(isLittle).u32(type).u32(length).raw(body).raw(padding).u32(length).all
}

function section(isLittle: boolean): Buffer {
  const body = new Octets(isLittle).u32(0x1a2b3c4d).u16(1).u16(0).u32(0xffffffff).u32(0xffffffff).all
  return block(isLittle, 0x0a0d0d0a, body)
}

function face(
  isLittle: boolean,
  linkType: number,
  options: Buffer = Buffer.alloc(0),
  snapOctets = 0,
): Buffer {
  return block(isLittle, 1, new Octets(isLittle).u16(linkType).u16(0).u32(snapOctets).raw(options).all)
}

function enhanced(
  isLittle: boolean,
  units: bigint,
  octets: Buffer,
  number = 0,
  original = octets.length,
): Buffer {
  const body = new Octets(isLittle)
    .u32(number)
    .u32(Number(units >> 32n))
    .u32(Number(units & 0xffffffffn))
    .u32(octets.length)
    .u32(original)
  return block(isLittle, 6, body.raw(octets).all)
}

function read(file: Buffer, size = file.length): readonly CaptureItem[] {
  const reader = new CaptureReader()
  const items: CaptureItem[] = []
  for (let at = 0; at < file.length; at += size) items.push(...reader.push(file.subarray(at, at + size)))
  return [...items, ...reader.end()]
}

function packets(items: readonly CaptureItem[]): readonly (readonly [number, number, string])[] {
  return items.flatMap((item) =>
    item.type === 'packet'
      ? [[item.packet.at, item.packet.linkType, item.packet.octets.toString('latin1')] as const]
      : [],
  )
}

const ABC = Buffer.from('abc')
const DEFGH = Buffer.from('defgh')

describe('pcap', () => {
  for (const isLittle of [true, false]) {
    const order = isLittle ? 'little' : 'big'
    it(`reads ${order}-endian files of microseconds and of nanoseconds`, () => {
      const micro = pcap(isLittle, false, [{ at: [1_700_000_000, 123_456], octets: ABC }])
      const nano = pcap(isLittle, true, [{ at: [1_700_000_000, 123_456_789], octets: DEFGH }])
      expect(packets(read(micro))).toEqual([[1_700_000_000_123.456, 1, 'abc']])
      const [[at, , octets] = []] = packets(read(nano))
      expect(at).toBeCloseTo(1_700_000_000_123.4568, 3)
      expect(octets).toBe('defgh')
    })
  }

  it('reads the same in pieces of any size', () => {
    const file = pcap(true, false, [
      { at: [1, 0], octets: ABC },
      { at: [2, 5], octets: DEFGH },
    ])
    const whole = read(file)
    expect(packets(whole)).toHaveLength(2)
    for (const size of [1, 3, 7, 24]) expect(read(file, size)).toEqual(whole)
  })

  it('says that the last packet is cut off, and keeps those before it', () => {
    const file = pcap(true, false, [
      { at: [1, 0], octets: ABC },
      { at: [2, 0], octets: DEFGH },
    ])
    const items = read(file.subarray(0, file.length - 2))
    expect(packets(items)).toHaveLength(1)
    expect(items[items.length - 1]).toEqual({ type: 'problem', text: expect.stringContaining('cut off') })
  })

  it('stops at a length that cannot be true', () => {
    const file = pcap(true, false, [{ at: [1, 0], octets: ABC }])
    file.writeUInt32LE(0x7fffffff, 24 + 8)
    expect(read(file)).toEqual([{ type: 'problem', text: expect.stringContaining('damaged') }])
  })
})

describe('pcapng', () => {
  for (const isLittle of [true, false]) {
    it(`reads enhanced packets of a ${isLittle ? 'little' : 'big'}-endian section`, () => {
      const file = [section(isLittle), face(isLittle, 113), enhanced(isLittle, 1_700_000_000_123_456n, ABC)]
      expect(packets(read(Buffer.concat(file)))).toEqual([[1_700_000_000_123.456, 113, 'abc']])
    })
  }

  it('begins again with each section: byte order, interfaces, resolution', () => {
    const nanoseconds = new Octets(false)
      .u16(9)
      .u16(1)
      .raw(Buffer.from([9, 0, 0, 0]))
      .u32(0).all
    const file = Buffer.concat([
      section(true),
      face(true, 1),
      enhanced(true, 1_000_000n, ABC),
      section(false),
      face(false, 101, nanoseconds),
      enhanced(false, 2_000_000_000n, DEFGH),
    ])
    for (const size of [1, 5, file.length])
      expect(packets(read(file, size))).toEqual([
        [1_000, 1, 'abc'],
        [2_000, 101, 'defgh'],
      ])
  })

  it('reads resolutions in powers of two and the offset of an interface', () => {
    const options = new Octets(true)
      .u16(9)
      .u16(1)
      .raw(Buffer.from([0x8a, 0, 0, 0]))
      .u16(14)
      .u16(8)
    const body = options.u32(10).u32(0).u32(0).all
    const file = Buffer.concat([section(true), face(true, 1, body), enhanced(true, 1_536n, ABC)])
    expect(packets(read(file))).toEqual([[11_500, 1, 'abc']])
  })

  it('reads simple packets, which have no time, cut at the snapshot length', () => {
    const simple = block(true, 3, new Octets(true).u32(5).raw(DEFGH).all)
    const file = Buffer.concat([
      section(true),
      face(true, 1, Buffer.alloc(0), 4),
      enhanced(true, 7_000n, ABC),
      simple,
    ])
    expect(packets(read(file))).toEqual([
      [7, 1, 'abc'],
      [7, 1, 'defg'],
    ])
  })

  it('passes over blocks that it does not know, and says which packets it cannot place', () => {
    const file = Buffer.concat([
      section(true),
      block(true, 0xbad, DEFGH),
      enhanced(true, 1n, ABC, 3),
      face(true, 1),
      enhanced(true, 1_000n, ABC),
    ])
    const items = read(file)
    expect(items[0]).toEqual({ type: 'problem', text: expect.stringContaining('interface') })
    expect(packets(items)).toEqual([[1, 1, 'abc']])
  })

  it('stops where a block does not end with its own length', () => {
    const broken = enhanced(true, 1n, ABC)
    broken.writeUInt32LE(999, broken.length - 4)
    expect(read(Buffer.concat([section(true), face(true, 1), broken]))).toEqual([
      { type: 'problem', text: expect.stringContaining('damaged') },
    ])
  })
})

describe('any octets', () => {
  it('never make it throw, in any pieces, behind any beginning', () => {
    const beginnings = [
      Buffer.alloc(0),
      section(true),
      Buffer.concat([section(false), face(false, 1)]),
      pcap(true, false, []),
      pcap(false, true, []),
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...beginnings),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 64 }),
        (beginning, rest, size) => {
          const file = Buffer.concat([beginning, rest])
          const whole = read(file)
          expect(read(file, size)).toEqual(whole)
        },
      ),
    )
  })

  it('are told from captures by their first four octets', () => {
    expect(beginsLikeCapture(section(true))).toBe(true)
    expect(beginsLikeCapture(pcap(false, true, []))).toBe(true)
    expect(beginsLikeCapture(Buffer.from('{"postern":"recording"'))).toBe(false)
    expect(beginsLikeCapture(Buffer.from([0x0a]))).toBe(false)
  })
})
