/**
 * ClamAV's daemon, asked by INSTREAM: the message goes over the socket, so that clamd needs no access to files.
 * Owns that one command of its language (clamd(8), "COMMANDS"); knows nothing of what a virus means to a rule.
 */
import { exactPieces } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'
import type { JudgeAddress } from '../rules/judge-settings.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { decodeText } from '../trace/safe-text.js'
import { type Adapter, addressText, answerOf, quoted, type Trouble } from './adapter.js'
import { exchange } from './exchange.js'

// One line with the name of a signature. Those of ClamAV have less than a hundred characters.
const ANSWER_OCTETS = 4_096

/** Asks clamd at an address. Verdict `clean` or `infected`, no score; the finding is the name of the signature. */
export function clamd(address: JudgeAddress): Adapter {
  return {
    subject: `clamd at ${addressText(address)}`,
    isToldUser: false,
    async ask({ message }, signal) {
      const answer = await exchange(
        {
          address,
          pieces: instream(message),
          endsWriting: false,
          mostOctets: ANSWER_OCTETS,
          isWhole: (received) => received.includes(0),
        },
        signal,
      )
      return Buffer.isBuffer(answer) ? readAnswer(answer) : answer
    },
  }
}

/**
 * The command and the message in chunks, each behind its length in four octets; a length of zero ends them. The `z`
 * before the command asks for an answer that ends with NUL, by which a half one is told from a whole one.
 */
async function* instream(message: MessageSource): AsyncGenerator<Buffer> {
  yield Buffer.from('zINSTREAM\0')
  for await (const piece of exactPieces(message)) {
    yield lengthOf(piece)
    yield piece
  }
  yield lengthOf(Buffer.alloc(0))
}

function lengthOf(piece: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(piece.length)
  return length
}

const PREFIX = 'stream: '
const FOUND = ' FOUND'

function readAnswer(octets: Buffer): JudgeAnswer | Trouble {
  if (octets.length === 0) return { trouble: 'closed the connection without an answer' }
  const end = octets.indexOf(0)
  const text = decodeText(octets.subarray(0, end === -1 ? octets.length : end)).trim()
  // Said before the message is through, so that the connection may break behind it.
  if (text.startsWith('INSTREAM size limit exceeded')) {
    return { trouble: 'takes no message so large: raise StreamMaxLength in clamd.conf' }
  }
  if (end === -1) return { trouble: `broke off in the middle of its answer ${quoted(text)}` }
  if (text === `${PREFIX}OK`) return answerOf('clean', null, '')
  if (text.startsWith(PREFIX) && text.endsWith(FOUND) && text.length > PREFIX.length + FOUND.length) {
    return answerOf('infected', null, text.slice(PREFIX.length, -FOUND.length))
  }
  return { trouble: `could not judge the message: it said ${quoted(text)}` }
}
