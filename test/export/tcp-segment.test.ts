import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/export/tcp-segment.js'
import { ethernet, ipv4, ipv6, packet, type SegmentParts } from './packets.js'

const PARTS: SegmentParts = {
  from: ['192.0.2.1', 50_000],
  to: ['198.51.100.7', 110],
  sequence: 7,
  flags: 'A',
  text: 'NOOP\r\n',
}
const PARTS6: SegmentParts = {
  ...PARTS,
  from: ['2001:db8:0:0:0:0:0:1', 50_000],
  to: ['2001:db8:0:0:0:0:0:2', 110],
}

function segmentOf(octets: Buffer, linkType: number) {
  const content = contentOf(packet(octets, 5, linkType))
  if (content.type !== 'segment') throw new Error(`a ${content.type}, no segment`)
  return content.segment
}

function cooked(version: 1 | 2, payload: Buffer): Buffer {
  if (version === 1) return Buffer.concat([Buffer.alloc(14), Buffer.from([8, 0]), payload])
  return Buffer.concat([Buffer.from([8, 0]), Buffer.alloc(18), payload])
}

describe('a TCP segment in a packet', () => {
  const links: readonly (readonly [string, number, Buffer])[] = [
    ['Ethernet', 1, ethernet(ipv4(PARTS))],
    ['Ethernet with a VLAN tag', 1, ethernet(ipv4(PARTS), 0x0800, [0x8100])],
    ['Ethernet with two tags', 1, ethernet(ipv4(PARTS), 0x0800, [0x88a8, 0x8100])],
    ['Linux cooked', 113, cooked(1, ipv4(PARTS))],
    ['Linux cooked, version 2', 276, cooked(2, ipv4(PARTS))],
    ['raw IP', 101, ipv4(PARTS)],
    ['raw IP of OpenBSD', 14, ipv4(PARTS)],
    ['loopback of BSD, little-endian', 0, Buffer.concat([Buffer.from([2, 0, 0, 0]), ipv4(PARTS)])],
    ['loopback of BSD, big-endian', 108, Buffer.concat([Buffer.from([0, 0, 0, 2]), ipv4(PARTS)])],
  ]
  for (const [name, linkType, octets] of links) {
    it(`is found on ${name}`, () => {
      const segment = segmentOf(octets, linkType)
      expect(segment).toMatchObject({
        at: 5,
        source: '192.0.2.1:50000',
        destination: '198.51.100.7:110',
        sourcePort: 50_000,
        destinationPort: 110,
        sequence: 7,
        isAck: true,
        isSyn: false,
        isFin: false,
        isReset: false,
        cutOctets: 0,
      })
      // Neither the padding of the frame nor TCP options are payload.
      expect(segment.payload.toString()).toBe('NOOP\r\n')
    })
  }

  it('is found in IPv6, with and without extension headers', () => {
    const hopByHop = [0, Buffer.alloc(8)] as const
    const destination = [60, Buffer.from([0, 1, ...Buffer.alloc(14)])] as const
    const wholeFragment = [44, Buffer.alloc(8)] as const
    for (const extensions of [[], [hopByHop], [hopByHop, destination, wholeFragment]]) {
      const segment = segmentOf(ethernet(ipv6(PARTS6, extensions), 0x86dd), 1)
      expect(segment.source).toBe('[2001:db8::1]:50000')
      expect(segment.payload.toString()).toBe('NOOP\r\n')
    }
  })

  it('tells SYN, FIN and RST', () => {
    expect(segmentOf(ipv4({ ...PARTS, flags: 'S', text: '' }), 101)).toMatchObject({
      isSyn: true,
      isAck: false,
    })
    expect(segmentOf(ipv4({ ...PARTS, flags: 'FA' }), 101)).toMatchObject({ isFin: true, isAck: true })
    expect(segmentOf(ipv4({ ...PARTS, flags: 'R' }), 101)).toMatchObject({ isReset: true })
  })

  it('says how much of it the snapshot length cut off', () => {
    const whole = ipv4(PARTS)
    expect(segmentOf(whole.subarray(0, whole.length - 4), 101)).toMatchObject({ cutOctets: 4 })
  })

  it('is whole where a network card was to fill in the length', () => {
    expect(segmentOf(ipv4(PARTS, { totalOctets: 0 }), 101).payload.toString()).toBe('NOOP\r\n')
  })
})

describe('what holds no segment', () => {
  it('is told: fragments of both IP versions, other links, everything else', () => {
    expect(contentOf(packet(ipv4(PARTS, { fragment: 0x2000 }))).type).toBe('fragment')
    expect(contentOf(packet(ipv4(PARTS, { fragment: 100 }))).type).toBe('fragment')
    const more = [44, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])] as const
    expect(contentOf(packet(ipv6(PARTS6, [more]))).type).toBe('fragment')
    expect(contentOf(packet(ipv4(PARTS), 0, 147))).toEqual({ type: 'unknown-link', linkType: 147 })
    expect(contentOf(packet(ethernet(Buffer.alloc(60), 0x0806), 0, 1)).type).toBe('other')
    const udp = ipv4(PARTS)
    udp[9] = 17
    expect(contentOf(packet(udp)).type).toBe('other')
  })

  it("is never taken for one because of other packets' don't-fragment flag", () => {
    expect(contentOf(packet(ipv4(PARTS, { fragment: 0x4000 }))).type).toBe('segment')
  })

  it('never makes it throw, however it is cut or changed', () => {
    const whole = fc.constantFrom(
      ethernet(ipv4(PARTS)),
      ethernet(ipv6(PARTS6, [[0, Buffer.alloc(8)]]), 0x86dd),
      ipv4(PARTS),
    )
    const changes = fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 12 })
    fc.assert(
      fc.property(
        whole,
        changes,
        fc.nat(120),
        fc.constantFrom(0, 1, 101, 108, 113, 276),
        (octets, changed, length, linkType) => {
          const broken = Buffer.from(octets)
          for (const [at, value] of changed) if (at < broken.length) broken[at] = value
          const content = contentOf(packet(broken.subarray(0, length), 0, linkType))
          if (content.type === 'segment') expect(content.segment.payload.length).toBeLessThanOrEqual(length)
        },
      ),
    )
  })
})
