/**
 * SpamAssassin's daemon, asked by SPAMC SYMBOLS. Owns that one request of its protocol (version 1.5, as its
 * `spamd/PROTOCOL` describes it); knows nothing of what spam means to a rule.
 */
import { exactPieces } from '../mail/exact-pieces.js'
import type { MessageSource } from '../mail/source.js'
import type { JudgeAddress } from '../rules/judge-settings.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { decodeText, safeText } from '../trace/safe-text.js'
import { type Adapter, addressText, answerOf, quoted, type Trouble } from './adapter.js'
import { exchange } from './exchange.js'
import type { JudgeLimits } from './limits.js'

/**
 * Asks spamd at an address.
 *
 * @param user whose preferences spamd uses; null for those of all
 * @returns verdict `clean` or `spam`; the finding are the names of the tests, as spamd orders them
 */
export function spamd(address: JudgeAddress, user: string | null, limits: JudgeLimits): Adapter {
  return {
    subject: `spamd at ${addressText(address)}`,
    // The user is one of the settings, not the one who fetches.
    isToldUser: false,
    async ask({ message }, signal) {
      const answer = await exchange(
        {
          address,
          pieces: symbols(message, user),
          endsWriting: true,
          mostOctets: limits.answerOctets,
          isWhole: () => false,
        },
        signal,
      )
      return Buffer.isBuffer(answer) ? readAnswer(answer) : answer
    },
  }
}

async function* symbols(message: MessageSource, user: string | null): AsyncGenerator<Buffer> {
  // Spelled as spamd does: it compares the names of its headers octet for octet.
  const lines = ['SYMBOLS SPAMC/1.5', `Content-length: ${message.octets}`]
  if (user !== null) lines.push(`User: ${safeText(user)}`)
  yield Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  yield* exactPieces(message)
}

const STATUS = /^SPAMD\/[0-9.]{1,8} ([0-9]{1,5}) ?(.*)$/
const SPAM = /^spam: *(true|yes|false|no) *; *(-?[0-9.]{1,20}) *\/ *-?[0-9.]{1,20} *$/i
const LENGTH = /^content-length: *([0-9]{1,15}) *$/i
const END_OF_HEADER = '\r\n\r\n'

function readAnswer(octets: Buffer): JudgeAnswer | Trouble {
  if (octets.length === 0) {
    return { trouble: 'closed the connection without an answer: does it allow this address (spamd -A)?' }
  }
  const end = octets.indexOf(END_OF_HEADER)
  const head = decodeText(end === -1 ? octets : octets.subarray(0, end)).split('\r\n')
  const status = STATUS.exec(head[0] ?? '')
  if (status === null) return { trouble: `does not speak as spamd does: it said ${quoted(head[0] ?? '')}` }
  // An error is one line without headers.
  if (status[1] !== '0') return { trouble: `could not judge the message: it said ${quoted(head[0] ?? '')}` }
  if (end === -1) return { trouble: 'broke off in the middle of its answer' }

  const body = octets.subarray(end + END_OF_HEADER.length)
  const length = head.map((line) => LENGTH.exec(line)?.[1]).find((found) => found !== undefined)
  if (length !== undefined && body.length < Number(length)) {
    return { trouble: 'broke off in the middle of its answer' }
  }
  const spam = head.map((line) => SPAM.exec(line)).find((found) => found !== null)
  const score = Number(spam?.[2])
  if (spam === undefined || spam === null || !Number.isFinite(score)) {
    return { trouble: 'gave an answer without a readable "Spam:" line' }
  }
  const isSpam = /^(?:true|yes)$/i.test(spam[1] ?? '')
  const names = decodeText(length === undefined ? body : body.subarray(0, Number(length))).trim()
  return answerOf(isSpam ? 'spam' : 'clean', score, names.split(',').join(', '))
}
