/**
 * Names of message files. A message is written octet for octet as it passed, so that its signature still verifies;
 * the one thing to decide is a name that does no harm. Pure.
 */
import type { GatheredMessage } from './gather-messages.js'

const MOST_NAME_CHARACTERS = 64

/**
 * Names the file of a message: `7f3a-1-12-message-3.eml` is the message 3 that command 12 of session 7f3a-1 fetched.
 *
 * @returns letters, digits, hyphens, underlines and dots, at most 100 of them, the first of which is no dot
 */
export function emlName({ session, number, messageNumber }: GatheredMessage): string {
  const safe = session.slice(0, MOST_NAME_CHARACTERS).replace(/[^A-Za-z0-9_-]/g, '_')
  return `${safe === '' ? 'session' : safe}-${number}-message-${messageNumber.slice(0, 10)}.eml`
}
