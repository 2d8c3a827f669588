/**
 * Messages as one mbox file of the mboxrd kind, which mutt, Thunderbird and Python read and from which every message
 * can be had back: each line that begins with `From `, `>From ` and so on gets one more `>`. Pure.
 */
import type { GatheredMessage } from './gather-messages.js'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/**
 * Writes one message with its separator line. Line ends become LF, as in every mbox; a missing last one is added, and
 * the blank line behind the message.
 *
 * @returns octets to append to the file
 */
export function mboxEntry({ octets, at }: GatheredMessage): Buffer {
  const text = octets
    .toString('latin1')
    .replaceAll('\r\n', '\n')
    .replace(/(^|\n)(>*From )/g, '$1>$2')
  const end = text === '' || text.endsWith('\n') ? '\n' : '\n\n'
  // Who sent it is not known to POP3: RFC 1939 has no envelope.
  return Buffer.from(`From MAILER-DAEMON ${asctime(at)}\n${text}${end}`, 'latin1')
}

/** Such as `Sat Nov  1 09:05:00 2026`, UTC, as the separator line has it. */
function asctime(at: number): string {
  const moment = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = `${two(moment.getUTCHours())}:${two(moment.getUTCMinutes())}:${two(moment.getUTCSeconds())}`
  const day = String(moment.getUTCDate()).padStart(2, ' ')
  return `${DAYS[moment.getUTCDay()]} ${MONTHS[moment.getUTCMonth()]} ${day} ${time} ${moment.getUTCFullYear()}`
}
