/**
 * The blocks of a pcapng file as octets: what Wireshark, tshark and every newer capture tool open. Owns the block
 * format and nothing else; `synthetic-tcp.ts` makes the packets, `dialogue-packets.ts` decides what is in them.
 */

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const NAME_RESOLUTION = 4
const ENHANCED_PACKET = 6
const DECRYPTION_SECRETS = 10
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/** LINKTYPE_RAW: packets begin with their IPv4 or IPv6 header, so that no network card has to be invented. */
export const LINKTYPE_RAW = 101
/** "TLSK": secrets in the format of SSLKEYLOGFILE. */
const TLS_KEY_LOG = 0x544c534b

const OPTION_END = 0
const OPTION_COMMENT = 1
const SECTION_APPLICATION = 4
const INTERFACE_NAME = 2
const INTERFACE_TIME_RESOLUTION = 9
const MICROSECONDS = 6
const NAME_END = 0
const NAME_IPV4 = 1
const NAME_IPV6 = 2
/** An option's length is a 16-bit field; Wireshark shows the first part of a longer comment anyway. */
const MOST_OPTION_OCTETS = 60_000

/** One packet as it is written. */
export interface PcapngPacket {
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number
  /** From the IP header on. */
  readonly octets: Buffer
  /** What a person finds beside the packet; null for nothing. */
  readonly comment: string | null
}

/** A name for an address: 4 octets are IPv4, 16 are IPv6. */
export interface AddressName {
  readonly address: Buffer
  readonly name: string
}

/**
 * Writes what a file begins with: section header and the one interface, microsecond resolution.
 *
 * @param application name and version of the program that writes
 * @param comment about the whole file
 */
export function fileHeader(application: string, comment: string): Buffer {
  const section = Buffer.alloc(16)
  section.writeUInt32LE(BYTE_ORDER_MAGIC, 0)
  section.writeUInt16LE(1, 4)
  // Section length: unknown, since what follows is streamed.
  section.writeBigInt64LE(-1n, 8)
  const face = Buffer.alloc(8)
  face.writeUInt16LE(LINKTYPE_RAW, 0)
  return Buffer.concat([
    block(SECTION_HEADER, [
      section,
      textOption(OPTION_COMMENT, comment),
      textOption(SECTION_APPLICATION, application),
      endOfOptions(),
    ]),
    block(INTERFACE_DESCRIPTION, [
      face,
      textOption(INTERFACE_NAME, 'postern'),
      option(INTERFACE_TIME_RESOLUTION, Buffer.from([MICROSECONDS])),
      endOfOptions(),
    ]),
  ])
}

/** Writes one packet, whole. */
export function enhancedPacket(packet: PcapngPacket): Buffer {
  const { octets, comment } = packet
  const head = Buffer.alloc(20)
  const microseconds = BigInt(Math.max(0, Math.round(packet.at * 1_000)))
  head.writeUInt32LE(Number(microseconds >> 32n), 4)
  head.writeUInt32LE(Number(microseconds & 0xffff_ffffn), 8)
  head.writeUInt32LE(octets.length, 12)
  head.writeUInt32LE(octets.length, 16)
  const options = comment === null ? [] : [textOption(OPTION_COMMENT, comment), endOfOptions()]
  return block(ENHANCED_PACKET, [head, padded(octets), ...options])
}

/** Writes names for addresses, so that a reader sees `pop.example.org` where the recording knew no address. */
export function nameResolution(names: readonly AddressName[]): Buffer {
  const records = names.map(({ address, name }) => {
    const value = Buffer.concat([address, Buffer.from(`${name}\0`, 'utf8')])
    return record(address.length === 4 ? NAME_IPV4 : NAME_IPV6, value)
  })
  return block(NAME_RESOLUTION, [...records, record(NAME_END, Buffer.alloc(0))])
}

/**
 * Writes TLS secrets, which stand before the packets they open.
 *
 * @param keyLog content of a file in the format of SSLKEYLOGFILE
 */
export function decryptionSecrets(keyLog: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(TLS_KEY_LOG, 0)
  head.writeUInt32LE(keyLog.length, 4)
  return block(DECRYPTION_SECRETS, [head, padded(keyLog)])
}

function block(type: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 12)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(type, 0)
  head.writeUInt32LE(length, 4)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(length, 0)
  return Buffer.concat([head, ...parts, tail], length)
}

function textOption(code: number, text: string): Buffer {
  return option(code, Buffer.from(text, 'utf8').subarray(0, MOST_OPTION_OCTETS))
}

function option(code: number, value: Buffer): Buffer {
  return record(code, value)
}

function endOfOptions(): Buffer {
  return record(OPTION_END, Buffer.alloc(0))
}

/** Options and name records have one form: code, length without padding, value padded to 32 bits. */
function record(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(value.length, 2)
  return Buffer.concat([head, padded(value)])
}

function padded(octets: Buffer): Buffer {
  const surplus = octets.length % 4
  return surplus === 0 ? octets : Buffer.concat([octets, Buffer.alloc(4 - surplus)])
}
