/**
 * The codec as fuzz targets: both decoders, the content scanner against its naive reference, and the functions of
 * one line or text. Owns what is promised of them.
 */
import { isDeepStrictEqual } from 'node:util'
import { capabilitiesForClient, decodeCapabilities } from '../../src/pop3/capabilities.js'
import { decodeCommand, replyShapeOf } from '../../src/pop3/command.js'
import type { ClientEvent, ExpectedOfClient } from '../../src/pop3/command-decoder.js'
import { encodeCommand, encodeContent, encodeStatusLine, removeByteStuffing } from '../../src/pop3/encoder.js'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { decodeStatusLine, type ExpectedOfServer, type ServerEvent } from '../../src/pop3/reply-decoder.js'
import { safeText } from '../../src/trace/safe-text.js'
import { CANARY, CANARY_BASE64, leakIn } from '../support/canary.js'
import {
  type Decoding,
  decodeClient,
  decodeServer,
  outcomeOf,
  plainCommand,
  type Script,
} from '../support/decode-all.js'
import { cut, randomFrom } from '../support/every-split.js'
import { naively } from '../support/naive-content.js'
import { CLIENT_SEEDS, CONTENT_SEEDS, HEADER_OCTETS, SERVER_SEEDS, TEXT_SEEDS } from './seeds.js'
import { demand, type FuzzTarget } from './target.js'

const COVERS = ['/src/pop3/', '/src/trace/safe-text']
const LOW: Limits = { ...DEFAULT_LIMITS, commandLineOctets: 24, saslLineOctets: 48, statusLineOctets: 32 }
const CLIENT_EXPECTATIONS: Script<ExpectedOfClient> = ['command', 'sasl-response']
const SERVER_EXPECTATIONS: Script<ExpectedOfServer> = [
  'greeting',
  'nothing',
  'single-line',
  'multi-line',
  'sasl',
]
const HARMLESS = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]*$/u

/** Octets in front of a stream that say how it is decoded. */
interface Header<Expected> {
  readonly limits: Limits
  readonly expecting: Script<Expected>
  readonly splitSeed: number
  /** Events after which a third run takes the rest undecoded. */
  readonly mostEvents: number
}

function headerOf<Expected>(input: Buffer, expectations: Script<Expected>): Header<Expected> {
  const expected = (index: number): Expected =>
    expectations[(input[index] ?? 0) % expectations.length] ?? expectations[0]
  return {
    limits: ((input[0] ?? 0) & 1) === 0 ? DEFAULT_LIMITS : LOW,
    expecting: [expected(1), expected(2), expected(3)],
    splitSeed: input.readUIntBE(4, 2),
    mostEvents: ((input[0] ?? 0) >> 1) & 7,
  }
}

function piecesOf(octets: Buffer, seed: number): Buffer[] {
  const random = randomFrom(seed)
  const chance = (seed % 8) / 7
  return cut(
    octets,
    Array.from({ length: octets.length }, (_, index) => index).filter(() => random() < chance),
  )
}

function demandWire(octets: Buffer, { wire }: Decoding<ClientEvent | ServerEvent>): void {
  demand(wire.equals(octets), 'wire is the input', () => `wire ${wire.toString('latin1')}`)
}

function demandDecoding(
  octets: Buffer,
  whole: Decoding<ClientEvent | ServerEvent>,
  split: Decoding<ClientEvent | ServerEvent>,
  mostOctets: number,
): void {
  demand(whole.wire.equals(octets), 'wire is the input', () => `wire ${whole.wire.toString('latin1')}`)
  demand(
    split.wire.equals(octets),
    'wire is the input',
    () => `wire in pieces ${split.wire.toString('latin1')}`,
  )
  const [one, other] = [outcomeOf(whole), outcomeOf(split)]
  demand(
    isDeepStrictEqual(one, other),
    'any split gives the same events',
    () => `${JSON.stringify(one)}\nin pieces ${JSON.stringify(other)}`,
  )
  for (const { mostUndecoded } of [whole, split]) {
    demand(
      mostUndecoded < mostOctets,
      'undecoded octets stay below the limit',
      () => `${mostUndecoded} octets`,
    )
  }
  for (const event of whole.raw) {
    if (!event.wire.includes(CANARY) && !event.wire.includes(CANARY_BASE64)) continue
    const leak = leakIn(event)
    demand(leak === null, 'no secret in any event', () => leak ?? '')
  }
}

const commandDecoder: FuzzTarget = {
  name: 'command-decoder',
  seeds: CLIENT_SEEDS,
  covers: COVERS,
  run(input) {
    if (input.length < HEADER_OCTETS) return
    const { splitSeed, mostEvents, ...run } = headerOf(input, CLIENT_EXPECTATIONS)
    const octets = input.subarray(HEADER_OCTETS)
    const most = Math.max(run.limits.commandLineOctets, run.limits.saslLineOctets)
    const pieces = piecesOf(octets, splitSeed)
    demandDecoding(octets, decodeClient([octets], run), decodeClient(pieces, run), most)
    demandWire(octets, decodeClient(pieces, { ...run, mostEvents }))
  },
}

const replyDecoder: FuzzTarget = {
  name: 'reply-decoder',
  seeds: SERVER_SEEDS,
  covers: COVERS,
  run(input) {
    if (input.length < HEADER_OCTETS) return
    const { splitSeed, mostEvents, ...run } = headerOf(input, SERVER_EXPECTATIONS)
    const octets = input.subarray(HEADER_OCTETS)
    const most = run.limits.statusLineOctets
    const pieces = piecesOf(octets, splitSeed)
    demandDecoding(octets, decodeServer([octets], run), decodeServer(pieces, run), most)
    demandWire(octets, decodeServer(pieces, { ...run, mostEvents }))
  },
}

const content: FuzzTarget = {
  name: 'content',
  seeds: CONTENT_SEEDS,
  covers: COVERS,
  run(input) {
    const octets = input.subarray(1)
    const wire = octets.toString('latin1')
    const expected = naively(wire)
    const pieces = [Buffer.from('+OK\r\n'), ...piecesOf(octets, input[0] ?? 0)]
    const { events, rest } = decodeServer(pieces, { expecting: ['multi-line', 'nothing'] })
    const found = events.filter((event) => event.type === 'content').map((event) => String(event.wire))
    const end = events.find((event) => event.type === 'content-end')
    const told = JSON.stringify({ found, end, rest })
    if (expected.content === null) {
      demand(
        end === undefined && found.join('') + rest === wire,
        'content ends where the RFC says',
        () => told,
      )
    } else {
      demand(
        end !== undefined && found.join('') === expected.content,
        'content ends where the RFC says',
        () => told,
      )
      const anomalies = expected.unstuffed ? ['unstuffed-line'] : []
      demand(end?.octets === expected.octets, 'octets are counted without byte-stuffing', () => told)
      demand(isDeepStrictEqual(end?.anomalies, anomalies), 'unstuffed lines are named', () => told)
    }
    const encoded = encodeContent(octets)
    const back = removeByteStuffing(encoded.subarray(0, -3)).toString('latin1')
    const completed = wire === '' || wire.endsWith('\r\n') ? wire : `${wire}\r\n`
    demand(back === completed, 'byte-stuffing is taken back', () => JSON.stringify(back))
    demand(naively(encoded.toString('latin1')).behind === '', 'stuffed content ends at its end', () => wire)
  },
}

const text: FuzzTarget = {
  name: 'text',
  seeds: TEXT_SEEDS,
  covers: COVERS,
  run(input) {
    const shown = safeText(input, 64)
    demand(
      HARMLESS.test(shown) && shown.length <= 64 * 10 + 32,
      'safe text is harmless and short',
      () => shown,
    )
    const list = decodeCapabilities(input)
    const sent = capabilitiesForClient(list, { offersStls: true, refusesLogin: true })
    const stls = decodeCapabilities(sent).filter((capability) => capability.tag === 'STLS')
    demand(stls.length === 1, 'STLS is offered once', () => sent.toString('latin1'))
    const oneLine = Buffer.concat([
      input.filter((octet) => octet !== 10 && octet !== 13 && octet !== 0),
      CRLF,
    ])
    demandStableCommand(oneLine)
    demandStableStatusLine(oneLine)
  },
}

const CRLF = Buffer.from('\r\n')

function demandStableCommand(line: Buffer): void {
  const { command } = decodeCommand(line, new Set())
  const encoded = encodeCommand(command)
  const again = decodeCommand(encoded, new Set()).command
  const isStable =
    isDeepStrictEqual(plainCommand(again), plainCommand(command)) &&
    encodeCommand(again).equals(encoded) &&
    replyShapeOf(again) === replyShapeOf(command)
  demand(isStable, 'decode, encode, decode gives the same command', () => encoded.toString('latin1'))
}

function demandStableStatusLine(line: Buffer): void {
  const decoded = decodeStatusLine(line)
  // A line that postern writes keeps to 512 octets, so a longer one cannot come back whole.
  if (decoded === null || line.length > 500) return
  const { indicator, responseCode, text: words } = decoded.status
  const encoded = encodeStatusLine(indicator, responseCode, words)
  const again = decodeStatusLine(encoded)?.status
  demand(isDeepStrictEqual(again, decoded.status), 'decode, encode, decode gives the same status line', () =>
    encoded.toString('latin1'),
  )
}

/** The targets of the codec. */
export const CODEC_TARGETS: readonly FuzzTarget[] = [commandDecoder, replyDecoder, content, text]
