/**
 * The containers that capture tools write, pcap and pcapng, read piece by piece: both byte orders, micro- and
 * nanoseconds, several sections, packets cut by the snapshot length. Owns the two formats; knows nothing of what a
 * packet holds. Damage becomes a problem in its place, never an exception.
 */

/** One packet of a capture. */
export interface CapturedPacket {
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number
  /** LINKTYPE of the interface, as tcpdump.org lists them. */
  readonly linkType: number
  readonly octets: Buffer
}

/** What a capture holds, in its order. A `problem` is one line for a person; what stands behind it may be missing. */
export type CaptureItem =
  | { readonly type: 'packet'; readonly packet: CapturedPacket }
  | { readonly type: 'problem'; readonly text: string }

interface Interface {
  readonly linkType: number
  readonly snapOctets: number
  /** Units of a timestamp in one second, and seconds to add. */
  readonly unitsPerSecond: bigint
  readonly offsetSeconds: number
}

type Order = 'little' | 'big'

const SECTION_HEADER = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const PCAP_MAGICS: ReadonlyMap<number, { readonly order: Order; readonly unitsPerSecond: number }> = new Map([
  [0xa1b2c3d4, { order: 'big', unitsPerSecond: 1_000_000 }],
  [0xd4c3b2a1, { order: 'little', unitsPerSecond: 1_000_000 }],
  [0xa1b23c4d, { order: 'big', unitsPerSecond: 1_000_000_000 }],
  [0x4d3cb2a1, { order: 'little', unitsPerSecond: 1_000_000_000 }],
])
/** libpcap's largest snapshot length is 262144; a longer packet is a damaged length. */
const MOST_PACKET_OCTETS = 1_048_576
/** A decryption secrets block may be long; nothing else is. */
const MOST_BLOCK_OCTETS = 16_777_216
const MOST_INTERFACES = 4_096
const MICROSECONDS = 1_000_000n

/** Whether a file that begins so is a capture. Four octets decide. */
export function beginsLikeCapture(octets: Buffer): boolean {
  if (octets.length < 4) return false
  const magic = octets.readUInt32BE(0)
  return magic === SECTION_HEADER || PCAP_MAGICS.has(magic)
}

/** Reads one capture. */
export class CaptureReader {
  #waiting: Buffer = Buffer.alloc(0)
  #format: PcapFormat | PcapngFormat | null = null
  #isOver = false

  /** Takes the next octets of the file. Never fails. */
  push(octets: Buffer): readonly CaptureItem[] {
    if (this.#isOver) return []
    this.#waiting = this.#waiting.length === 0 ? octets : Buffer.concat([this.#waiting, octets])
    const items: CaptureItem[] = []
    let at = 0
    while (!this.#isOver) {
      const step = this.#step(this.#waiting.subarray(at))
      if (step === null) break
      at += step.octets
      items.push(...step.items)
      if (step.isLast) this.#isOver = true
    }
    this.#waiting = this.#isOver ? Buffer.alloc(0) : this.#waiting.subarray(at)
    return items
  }

  /** Ends the file. */
  end(): readonly CaptureItem[] {
    if (this.#isOver || (this.#waiting.length === 0 && this.#format !== null)) return []
    this.#isOver = true
    return [problem('the capture is cut off within a packet: what was captured last is missing')]
  }

  #step(octets: Buffer): Step | null {
    if (this.#format !== null) return this.#format.step(octets)
    if (octets.length < 24) return null
    const magic = octets.readUInt32BE(0)
    if (magic === SECTION_HEADER) {
      this.#format = new PcapngFormat()
      return this.#format.step(octets)
    }
    const kind = PCAP_MAGICS.get(magic)
    if (kind === undefined)
      return failed('the file is no capture: it begins neither like pcap nor like pcapng')
    this.#format = new PcapFormat(kind.order, kind.unitsPerSecond, octets)
    return { octets: 24, items: [], isLast: false }
  }
}

/** How far one step came; `isLast` where nothing behind it can be read. */
interface Step {
  readonly octets: number
  readonly items: readonly CaptureItem[]
  readonly isLast: boolean
}

class PcapFormat {
  readonly #order: Order
  readonly #unitsPerSecond: number
  readonly #linkType: number

  constructor(order: Order, unitsPerSecond: number, header: Buffer) {
    this.#order = order
    this.#unitsPerSecond = unitsPerSecond
    // The upper bits say whether a checksum of the link stands behind each packet, which the IP length tells too.
    this.#linkType = read32(header, 20, order) & 0xffff
  }

  step(octets: Buffer): Step | null {
    if (octets.length < 16) return null
    const captured = read32(octets, 8, this.#order)
    if (captured > MOST_PACKET_OCTETS) return damaged()
    if (octets.length < 16 + captured) return null
    const at =
      read32(octets, 0, this.#order) * 1_000 + (read32(octets, 4, this.#order) * 1_000) / this.#unitsPerSecond
    const packet = { at, linkType: this.#linkType, octets: octets.subarray(16, 16 + captured) }
    return { octets: 16 + captured, items: [{ type: 'packet', packet }], isLast: false }
  }
}

class PcapngFormat {
  #order: Order = 'little'
  #interfaces: Interface[] = []
  /** Of the packet before, for blocks that have no time of their own. */
  #lastAt = 0

  step(octets: Buffer): Step | null {
    if (octets.length < 12) return null
    const isSection = octets.readUInt32BE(0) === SECTION_HEADER
    if (isSection) {
      const order = orderOf(octets)
      if (order === null) return damaged()
      this.#order = order
      this.#interfaces = []
    }
    const length = read32(octets, 4, this.#order)
    if (length < 12 || length % 4 !== 0 || length > MOST_BLOCK_OCTETS) return damaged()
    if (octets.length < length) return null
    if (read32(octets, length - 4, this.#order) !== length) return damaged()
    const items = isSection ? [] : this.#read(read32(octets, 0, this.#order), octets.subarray(8, length - 4))
    return { octets: length, items, isLast: false }
  }

  #read(type: number, body: Buffer): readonly CaptureItem[] {
    switch (type) {
      case 1:
        return this.#describeInterface(body)
      case 2:
        // The packet block of the first drafts: the interface's number shares its 32 bits with a count of drops.
        if (body.length < 20) return [TOO_SHORT]
        return this.#packet(read16(body, 0, this.#order), body)
      case 3:
        return this.#simplePacket(body)
      case 6:
        if (body.length < 20) return [TOO_SHORT]
        return this.#packet(read32(body, 0, this.#order), body)
      default:
        return []
    }
  }

  #describeInterface(body: Buffer): readonly CaptureItem[] {
    if (body.length < 8) return [TOO_SHORT]
    if (this.#interfaces.length >= MOST_INTERFACES) return [problem('the capture names too many interfaces')]
    let unitsPerSecond = MICROSECONDS
    let offsetSeconds = 0
    for (const { code, value } of optionsOf(body.subarray(8), this.#order)) {
      if (code === 9 && value.length === 1) unitsPerSecond = resolutionOf(value[0] ?? 6)
      if (code === 14 && value.length === 8)
        offsetSeconds = Number(this.#order === 'little' ? value.readBigInt64LE(0) : value.readBigInt64BE(0))
    }
    const snapOctets = read32(body, 4, this.#order)
    this.#interfaces.push({
      linkType: read16(body, 0, this.#order),
      snapOctets: snapOctets === 0 ? MOST_PACKET_OCTETS : snapOctets,
      unitsPerSecond,
      offsetSeconds,
    })
    return []
  }

  #packet(number: number, body: Buffer): readonly CaptureItem[] {
    const face = this.#interfaces[number]
    if (face === undefined) return [problem('a packet names an interface that the capture does not describe')]
    const captured = read32(body, 12, this.#order)
    if (captured > body.length - 20) return [TOO_SHORT]
    const units = (BigInt(read32(body, 4, this.#order)) << 32n) | BigInt(read32(body, 8, this.#order))
    const { unitsPerSecond, offsetSeconds, linkType } = face
    // Seconds and fraction apart: nanoseconds since the epoch are beyond what a number holds exactly.
    const fraction = (Number(units % unitsPerSecond) * 1_000) / Number(unitsPerSecond)
    const at = (Number(units / unitsPerSecond) + offsetSeconds) * 1_000 + fraction
    this.#lastAt = at
    return [{ type: 'packet', packet: { at, linkType, octets: body.subarray(20, 20 + captured) } }]
  }

  #simplePacket(body: Buffer): readonly CaptureItem[] {
    const face = this.#interfaces[0]
    if (face === undefined || body.length < 4) return [TOO_SHORT]
    const captured = Math.min(read32(body, 0, this.#order), face.snapOctets, body.length - 4)
    const octets = body.subarray(4, 4 + captured)
    return [{ type: 'packet', packet: { at: this.#lastAt, linkType: face.linkType, octets } }]
  }
}

const TOO_SHORT = problem('a block of the capture is shorter than its type allows and was passed over')

function orderOf(octets: Buffer): Order | null {
  if (octets.readUInt32LE(8) === BYTE_ORDER_MAGIC) return 'little'
  return octets.readUInt32BE(8) === BYTE_ORDER_MAGIC ? 'big' : null
}

function* optionsOf(
  octets: Buffer,
  order: Order,
): Generator<{ readonly code: number; readonly value: Buffer }> {
  let at = 0
  while (at + 4 <= octets.length) {
    const code = read16(octets, at, order)
    const length = read16(octets, at + 2, order)
    if (code === 0) return
    yield { code, value: octets.subarray(at + 4, at + 4 + length) }
    at += 4 + length + ((4 - (length % 4)) % 4)
  }
}

/** A power of ten, or with the highest bit a power of two. Nobody counts finer than the limits here. */
function resolutionOf(octet: number): bigint {
  const exponent = BigInt(octet & 0x7f)
  if ((octet & 0x80) !== 0) return 2n ** (exponent > 60n ? 60n : exponent)
  return 10n ** (exponent > 18n ? 18n : exponent)
}

function read16(octets: Buffer, at: number, order: Order): number {
  return order === 'little' ? octets.readUInt16LE(at) : octets.readUInt16BE(at)
}

function read32(octets: Buffer, at: number, order: Order): number {
  return order === 'little' ? octets.readUInt32LE(at) : octets.readUInt32BE(at)
}

function damaged(): Step {
  return failed('the capture is damaged: a length in it cannot be true, so nothing behind it can be read')
}

function failed(text: string): Step {
  return { octets: 0, items: [problem(text)], isLast: true }
}

function problem(text: string): CaptureItem {
  return { type: 'problem', text }
}
