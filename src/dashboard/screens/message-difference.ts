/**
 * What the client got in place of a message, against what the server sent. Owns the wording and how much is compared:
 * header sections line by line, bodies line by line while they are short and by their first difference beyond.
 */
import { readHeader } from '../../mail/header.js'
import { compareLines, type DifferenceLine, withContext } from './line-difference.js'
import { OctetLines } from './octet-lines.js'

/** Lines of a body that are compared one by one; beyond, a person looks at the raw octets around the place. */
const COMPARED_LINES = 4_000

/**
 * Compares two versions of a message.
 *
 * @param original as the server sent it, without byte-stuffing
 * @param sent as the client got it, without byte-stuffing
 * @param isWhole whether all of it was kept; what was kept of a part ends at different places of the same text
 * @returns lines for a person, the whole header section among them
 */
export function messageDifference(original: Buffer, sent: Buffer, isWhole = true): readonly DifferenceLine[] {
  if (original.equals(sent)) return [note(`identical: ${original.length} octets`)]
  const originalEnd = readHeader(original).end
  const sentEnd = readHeader(sent).end
  const header = compareLines(
    linesOf(new OctetLines(original.subarray(0, originalEnd))),
    linesOf(new OctetLines(sent.subarray(0, sentEnd))),
  )
  const body = original.subarray(originalEnd)
  const sentBody = sent.subarray(sentEnd)
  if (isWhole) return [...header, ...bodyDifference(body, sentBody)]
  const kept = Math.min(body.length, sentBody.length)
  return [
    ...header,
    note(`only the first ${kept} octets of the body were kept on both sides`),
    ...bodyDifference(body.subarray(0, kept), sentBody.subarray(0, kept)),
  ]
}

function bodyDifference(original: Buffer, sent: Buffer): readonly DifferenceLine[] {
  if (original.equals(sent)) return [note(`body identical: ${original.length} octets`)]
  const left = new OctetLines(original)
  const right = new OctetLines(sent)
  const sizes = note(`body changed: ${original.length} octets from the server, ${sent.length} to the client`)
  if (left.count <= COMPARED_LINES && right.count <= COMPARED_LINES)
    return [sizes, ...withContext(compareLines(linesOf(left), linesOf(right)))]
  const offset = firstDifference(original, sent)
  const line = left.lineOf(Math.min(offset, Math.max(0, original.length - 1)))
  return [
    sizes,
    note(`first difference at octet ${offset} of the body, in its line ${line + 1}:`),
    { kind: 'removed', text: left.lineAt(line, 0, 1_000) },
    { kind: 'added', text: right.lineAt(right.lineOf(offset), 0, 1_000) },
    note(`more than ${COMPARED_LINES} lines: the rest is not compared`),
  ]
}

/** Halves what may differ instead of looking at every octet in JavaScript: Buffer.compare is memcmp. */
function firstDifference(left: Buffer, right: Buffer): number {
  let low = 0
  let high = Math.min(left.length, right.length)
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (left.compare(right, low, middle, low, middle) === 0) low = middle
    else high = middle - 1
  }
  return low
}

function linesOf(lines: OctetLines): readonly string[] {
  return Array.from({ length: lines.count }, (_, index) => lines.lineAt(index))
}

function note(text: string): DifferenceLine {
  return { kind: 'note', text: `[${text}]` }
}
