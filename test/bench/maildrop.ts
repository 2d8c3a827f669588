/**
 * The maildrops of the bench, the same octets in every process that asks for them: the server serves them,
 * the client knows from them what has to arrive. Owns content only, no sockets; nothing here is random.
 */
import { createHash } from 'node:crypto'

/** The maildrops, named as the user who logs in to them; `poll-1` and so on are other users with that of `poll`. */
export const MAILDROP_NAMES = ['login', 'middle', 'large', 'poll'] as const
export type MaildropName = (typeof MAILDROP_NAMES)[number]

/**
 * What a subject does to mail on its way, see subjects.ts. Said here a second time and in other words, so that what
 * arrives can be checked by something else than what made it.
 * - `none`: nothing
 * - `tag`: {@link TAG} before each subject, and {@link ADDED_FIELD} at the end of each header section
 * - `text`: {@link TEXT} has its replacement in each text
 * - `hide`: what has a List-Id is not there
 */
export const EFFECTS = ['none', 'tag', 'text', 'hide'] as const
export type Effect = (typeof EFFECTS)[number]

export const TAG = '[bench]'
export const ADDED_FIELD = { name: 'X-Bench', value: 'yes' } as const
/** Letters alone, so that it is its own pattern; the replacement has another length. */
export const TEXT = { from: 'Tuesday', to: 'the day after Monday' } as const

/** The one password of every maildrop. */
export const PASSWORD = 'correct-horse-battery'

/** Sizes of the messages, in octets before byte-stuffing; what is made is at most a line longer. */
export interface MaildropSizes {
  readonly middleOctets: number
  readonly largeOctets: number
  /** How many small ones there are to be listed. */
  readonly pollMessages: number
}

/** One message as it travels. */
export interface Message {
  /** Size as LIST and RETR tell it: octets before byte-stuffing (RFC 1939 §11). */
  readonly octets: number
  readonly uniqueId: string
  /** The whole positive response to TOP without lines of the body. */
  readonly top: Buffer
  /** The whole positive response to RETR: status line, byte-stuffed message, termination octet and CRLF. */
  readonly response: Buffer
  /** Octets of the response behind its status line. */
  readonly contentOctets: number
  /** SHA-256 of the response behind its status line, in hex. */
  readonly contentDigest: string
}

const WORDS =
  'and but for not with from that this have will when what your mail server session order invoice meeting report please regards attached schedule tomorrow office number question answer department delivery Tuesday morning'.split(
    ' ',
  )
/** Repeated to fill a message: long enough that no cache or window sees the period, short enough to make in no time. */
const BLOCK_OCTETS = 256 * 1024

/**
 * Makes the messages of one maildrop, as they are behind a subject with an effect: with odd message-numbers base64
 * bodies, with even ones text. Of those of `poll`, every third is of a mailing list.
 */
export function maildrop(
  name: MaildropName,
  sizes: MaildropSizes,
  effect: Effect = 'none',
): readonly Message[] {
  const { count, octets } = {
    login: { count: 3, octets: 2_000 },
    middle: { count: 20, octets: sizes.middleOctets },
    large: { count: 2, octets: sizes.largeOctets },
    poll: { count: sizes.pollMessages, octets: 1_000 },
  }[name]
  return Array.from({ length: count }, (_, index) => index + 1).flatMap((messageNumber) => {
    const isOfList = name === 'poll' && messageNumber % 3 === 0
    return isOfList && effect === 'hide' ? [] : [message(messageNumber, octets, isOfList, effect)]
  })
}

/** The unique-id listing or scan listing that a client sees: the whole positive response. */
export function listing(verb: 'LIST' | 'UIDL', messages: readonly Message[]): Buffer {
  const lines = messages.map(
    ({ octets, uniqueId }, index) => `${index + 1} ${verb === 'LIST' ? octets : uniqueId}\r\n`,
  )
  return Buffer.from(`+OK ${messages.length} messages\r\n${lines.join('')}.\r\n`, 'latin1')
}

function message(messageNumber: number, octets: number, isOfList: boolean, effect: Effect): Message {
  const random = generator(messageNumber)
  const isBase64 = messageNumber % 2 === 1
  const blockOctets = Math.min(BLOCK_OCTETS, octets)
  const block = isBase64 ? base64Lines(random, blockOctets) : textLines(random, blockOctets)
  const original = headerSection(messageNumber, isBase64, isOfList)
  let originalSize = sizeOf(original)
  const body: string[] = []
  for (let index = 0; originalSize < octets; index = (index + 1) % block.length) {
    const line = block[index]!
    body.push(line)
    originalSize += line.length + 2
  }
  const header = effect === 'tag' ? tagged(original) : original
  const lines = [...header, ...(effect === 'text' && !isBase64 ? replaced(body) : body)]
  const size = sizeOf(lines)
  // RFC 1939 §3: a line that begins with the termination octet gets one more in front.
  const content = lines.map((line) => (line.startsWith('.') ? `.${line}\r\n` : `${line}\r\n`)).join('')
  const behindStatusLine = Buffer.from(`${content}.\r\n`, 'latin1')
  return {
    octets: size,
    // As Dovecot makes them: a counter and the moment at which the maildrop was made.
    uniqueId: `${messageNumber.toString(16).padStart(8, '0')}677ba4c2`,
    // No line of the header section begins with a dot.
    top: Buffer.from(`+OK\r\n${header.map((line) => `${line}\r\n`).join('')}.\r\n`, 'latin1'),
    response: Buffer.concat([Buffer.from(`+OK ${size} octets\r\n`), behindStatusLine]),
    contentOctets: behindStatusLine.length,
    contentDigest: createHash('sha256').update(behindStatusLine).digest('hex'),
  }
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 2, 0)
}

/** @param header ends with its blank line */
function tagged(header: readonly string[]): readonly string[] {
  const lines = header.slice(0, -1).map((line) => line.replace(/^Subject: /, `Subject: ${TAG} `))
  return [...lines, `${ADDED_FIELD.name}: ${ADDED_FIELD.value}`, '']
}

function replaced(body: readonly string[]): readonly string[] {
  return body.map((line) => line.split(TEXT.from).join(TEXT.to))
}

function headerSection(messageNumber: number, isBase64: boolean, isOfList: boolean): readonly string[] {
  return [
    'Return-Path: <sender@example.org>',
    'Received: from mx.example.org (mx.example.org [192.0.2.25])',
    `\tby pop.example.net with ESMTPS id 4Zb${messageNumber}Qk; Mon, 06 Jan 2025 10:00:00 +0000`,
    'From: "A. Sender" <sender@example.org>',
    'To: reader@example.net',
    `Subject: Report no. ${messageNumber}`,
    'Date: Mon, 06 Jan 2025 09:59:58 +0000',
    `Message-ID: <${messageNumber}.report@example.org>`,
    ...(isOfList ? ['List-Id: News of the bench <news.example.org>'] : []),
    'MIME-Version: 1.0',
    isBase64
      ? 'Content-Type: application/pdf; name="report.pdf"'
      : 'Content-Type: text/plain; charset=us-ascii',
    `Content-Transfer-Encoding: ${isBase64 ? 'base64' : '7bit'}`,
    '',
  ]
}

function base64Lines(random: () => number, blockOctets: number): readonly string[] {
  const octets = Buffer.alloc(Math.ceil(blockOctets / 78) * 57)
  for (let at = 0; at + 4 <= octets.length; at += 4) octets.writeUInt32LE(random(), at)
  return octets.toString('base64').match(/.{1,76}/g) ?? []
}

/** Sentences wrapped as mail programs do, with empty lines, quotes and about one line in a hundred that needs stuffing. */
function textLines(random: () => number, blockOctets: number): readonly string[] {
  const lines: string[] = []
  for (let size = 0; size < blockOctets; size += lines.at(-1)!.length + 2) {
    const kind = random() % 100
    if (kind === 0) lines.push(['.', '..', '.profile is read first.', '... and so on.'][random() % 4]!)
    else if (kind < 10) lines.push('')
    else lines.push((kind < 20 ? '> ' : '') + sentence(random, 40 + (random() % 30)))
  }
  return lines
}

function sentence(random: () => number, atLeastOctets: number): string {
  let text = ''
  while (text.length < atLeastOctets) {
    text += WORDS[random() % WORDS.length]! + (random() % 12 === 0 ? '. ' : ' ')
  }
  return `${text.trimEnd()}.`
}

/** xorshift32: the same octets in every process and on every machine. */
function generator(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
