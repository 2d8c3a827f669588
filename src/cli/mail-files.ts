/**
 * Messages of files: single ones, Maildirs, directories of them, recordings. Owns what counts as a message and that its
 * lines end as a server sends them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messagesOf } from '../sessions/messages.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { UsageError } from './failure.js'
import { recordedSessions } from './recorded-sessions.js'

/** One message of a file. */
export interface MailFile {
  /** Where it is from, for people. */
  readonly name: string
  /** The session that fetched it; null where it is from no recording. */
  readonly session: SessionRecord | null
  readonly number: number
  readonly uniqueId: string | null
  /** Reads it: lines end with CRLF, as in a reply to RETR. */
  read(): Buffer
}

/** Octets of the largest message that is read. */
export const MOST_MAIL_OCTETS = 268_435_456

const RECORDING = /\.(?:jsonl|pcap|pcapng|cap)(?:\.gz)?$/i

/**
 * Finds messages, one path after the other.
 *
 * @param paths files, Maildirs, recordings and captures, or directories whose .eml files count, whatever lies below them
 * included
 * @returns in order of name within each path, in order of time within a recording
 * @throws {UsageError} where a path has no message or cannot be read
 */
export async function* mailFiles(paths: readonly string[]): AsyncGenerator<MailFile> {
  for (const path of paths) {
    if (RECORDING.test(path)) {
      yield* recordedMail(path)
      continue
    }
    const files = filesAt(path)
    if (files.length === 0) throw new UsageError(`${path}: no messages: neither a Maildir nor *.eml in it`)
    for (const file of files) {
      yield { name: file, session: null, number: 1, uniqueId: null, read: () => readMail(file) }
    }
  }
}

async function* recordedMail(path: string): AsyncGenerator<MailFile> {
  let isEmpty = true
  for (const session of await recordedSessions(path, {})) {
    for (const { verb, original, isWhole, messageNumber, uniqueId } of messagesOf(session)) {
      if (verb !== 'RETR' || original === null || !isWhole) continue
      isEmpty = false
      const number = messageNumber ?? 1
      yield {
        name: `${path}: session ${session.id}, message ${number}`,
        session,
        number,
        uniqueId,
        read: () => original,
      }
    }
  }
  if (isEmpty) {
    throw new UsageError(`${path}: no message was recorded whole (record with --write-messages)`)
  }
}

function filesAt(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    const names = readdirSync(path)
    if (names.includes('cur') && names.includes('new')) {
      return ['new', 'cur'].flatMap((folder) => plainFiles(join(path, folder)))
    }
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.toLowerCase().endsWith('.eml'))
      .sort()
      .map((name) => join(path, name))
  } catch (error) {
    throw new UsageError(`${path}: cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function plainFiles(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => join(directory, name))
}

function readMail(path: string): Buffer {
  const { size } = statSync(path)
  if (size > MOST_MAIL_OCTETS) throw new UsageError(`${path}: ${size} octets; at most ${MOST_MAIL_OCTETS}`)
  return withCrlf(readFileSync(path))
}

/** Files keep lines as the system does; a server sends them with CRLF. RFC 1939 §3. */
function withCrlf(octets: Buffer): Buffer {
  for (let at = octets.indexOf(0x0a); at >= 0; at = octets.indexOf(0x0a, at + 1)) {
    if (at > 0 && octets[at - 1] === 0x0d) continue
    return Buffer.from(octets.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1')
  }
  return octets
}
