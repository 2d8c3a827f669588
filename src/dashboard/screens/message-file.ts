/**
 * Messages and their parts as files: what they are called and what is said about it. A name in a message is a stranger's
 * wish: nothing of it becomes a path.
 */
import type { MimePart } from '../../mail/outline.js'
import type { MessageRecord } from '../../sessions/messages.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { ScreenEffect } from '../screen-module.js'

/** File systems take 255 octets; a name of this many characters stays below in any script. */
const NAME_CHARACTERS = 60
// Separators of every system, what shells and Windows read as something else, and all that is no plain character.
const UNWANTED = /[\\/:*?"<>|$`'!&;\p{C}\p{Z}\p{Emoji_Presentation}]+/gu

/** Extensions that a file of a type gets where its part names none. */
const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['text/plain', 'txt'],
  ['text/html', 'html'],
  ['text/calendar', 'ics'],
  ['message/rfc822', 'eml'],
  ['application/pdf', 'pdf'],
  ['application/json', 'json'],
  ['image/jpeg', 'jpg'],
  ['image/png', 'png'],
  ['image/gif', 'gif'],
])

/** Names a message's file: `a1b2c3-1z-9.eml`, of session and command. */
export function saveName(record: SessionRecord, { number }: MessageRecord): string {
  return `${plainName(record.id)}-${number}.eml`
}

/**
 * Asks for a message to be written to a file; says why where there is nothing to write.
 *
 * @param octets the message without byte-stuffing, null where nothing of it was kept
 */
export function saveMessage(
  record: SessionRecord,
  message: MessageRecord,
  octets: Buffer | null,
): ScreenEffect {
  if (octets === null)
    return {
      type: 'say',
      text: 'Nothing of this message was kept: there is nothing to write.',
      tone: 'attention',
    }
  const isPart = message.octets === null || octets.length < message.octets
  const what = isPart
    ? `what was kept of the message, ${octets.length} octets`
    : `the message, ${octets.length} octets`
  return { type: 'save', octets, name: saveName(record, message), what }
}

/**
 * Asks for the decoded content of a part to be written to a file.
 */
export function savePart(
  record: SessionRecord,
  message: MessageRecord,
  part: MimePart,
  octets: Buffer,
): ScreenEffect {
  return {
    type: 'save',
    octets,
    name: partName(record, message, part),
    what: `part ${part.path} (${part.type}), ${octets.length} octets`,
  }
}

function partName(record: SessionRecord, message: MessageRecord, { name, path, type }: MimePart): string {
  const named = plainName(name ?? '')
  if (named !== '') return named
  return `${plainName(record.id)}-${message.number}-part-${path}.${EXTENSIONS.get(type) ?? 'bin'}`
}

/** No folder, no hidden file, no option of a program, nothing that a shell reads. */
function plainName(name: string): string {
  const plain = name.replace(UNWANTED, '_').replace(/^[._-]+|[._]+$/g, '')
  const characters = [...plain]
  if (characters.length <= NAME_CHARACTERS) return plain
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(plain)?.[0] ?? ''
  return characters.slice(0, NAME_CHARACTERS - extension.length).join('') + extension
}
