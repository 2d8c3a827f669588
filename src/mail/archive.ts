/**
 * Names of the files in ZIP archives, from their central directories. Decompresses nothing, and opens no archive that
 * lies within another. Owns what counts as an archive and when its names are not all known.
 *
 * Read by hand: the library at hand (fflate) believes the number of files and the place of the directory. With a number
 * of 0, or a few octets put before the archive, it lists nothing or noise, where the programs that people open archives
 * with list all files. Where such programs do not agree on what counts, all of it is listed here.
 * Section numbers are those of PKWARE's APPNOTE.TXT.
 */
import { isUtf8 } from 'node:buffer'
import { safeText } from '../trace/safe-text.js'
import { type Abridged, type Gap, gapsWithin } from './abridged.js'
import { decodeCharset } from './charset.js'
import type { MailLimits } from './limits.js'
import type { MimePart } from './outline.js'
import { decodedEnd, decodePart } from './part.js'

/** What an archive says of the files in it. */
export interface ArchiveListing {
  /** Harmless, each once; folders end with `/`. */
  readonly names: readonly string[]
  /** Whether these are all: false where the archive is damaged, hides its names, or has more than are read. */
  readonly isWhole: boolean
  /** How many names were read for it, those that came again included. */
  readonly namesRead: number
}

/** Bounds of one look into one archive. */
export interface ArchiveBounds {
  /** Names that are read, those that come again included. */
  readonly names: number
  /** Characters of one name. */
  readonly nameCharacters: number
}

/** A file in a directory takes that much without its name, extra fields and comment. §4.3.12. */
const ENTRY_OCTETS = 46
/** An end record without its comment. §4.3.16. */
const END_OCTETS = 22
const MOST_COMMENT = 65_535
/** The record that stands before the end record of a large archive, and that of which it tells. §4.3.14, §4.3.15. */
const LOCATOR_OCTETS = 20
const LARGE_END_OCTETS = 56

const FILE = Buffer.from('PK\x03\x04', 'latin1')
const ENTRY = Buffer.from('PK\x01\x02', 'latin1')
const SIGNATURE = Buffer.from('PK\x05\x05', 'latin1')
const END = Buffer.from('PK\x05\x06', 'latin1')
const LARGE_END = Buffer.from('PK\x06\x06', 'latin1')
const LOCATOR = Buffer.from('PK\x06\x07', 'latin1')
/** Before the first file of an archive that was to be split. §8.5.4. */
const SPLIT = [Buffer.from('PK\x07\x08', 'latin1'), Buffer.from('PK00', 'latin1')]

/** End records that are looked at. An honest archive has one; a comment may contain thousands. */
const MOST_ENDS = 8
/** The directory is encrypted, and its names are masked. §4.4.4. */
const MASKED = 0x2000
/** A name in UTF-8 beside the name. §4.6.9. */
const UNICODE_PATH = 0x7075
/** Stands for a number that is in an extra field. */
const ELSEWHERE = 0xffff_ffff

/**
 * Lists the names in the archives among parts. The bounds are of all of them together, so that a thousand small
 * archives cost no more than a large one.
 *
 * @param message that the parts were found in; of an archive with a gap the end is enough
 * @returns listings by path; parts that are no archives are left out
 * Never fails.
 */
export function listArchives(
  { octets, gaps }: Abridged,
  parts: readonly MimePart[],
  limits: MailLimits,
): ReadonlyMap<string, ArchiveListing> {
  const listings = new Map<string, ArchiveListing>()
  let roomOctets = limits.archiveOctets
  let roomNames = limits.archiveNames
  for (const part of parts) {
    const { path, children, octets: transferred } = part
    // A message within the message: what is in it is looked at by itself, and must not count twice.
    if (children.length > 0 && !beginsSo(octets, part)) continue
    if (transferred > roomOctets) {
      if (beginsSo(octets, part)) listings.set(path, UNREAD)
      continue
    }
    roomOctets -= transferred
    const bounds = { names: roomNames, nameCharacters: limits.archiveNameCharacters }
    const missing = gapsWithin(gaps, part.bodyStart, part.bodyEnd)
    const listing =
      missing.length === 0
        ? listArchive(decodePart(octets, part), bounds)
        : listAbridged(octets, part, missing, bounds)
    if (listing === null) continue
    listings.set(path, listing)
    roomNames -= listing.namesRead
  }
  return listings
}

/** An archive whose middle is not here: its directory is at its end, which is read where it can be found by that alone. */
function listAbridged(
  octets: Buffer,
  part: MimePart,
  missing: readonly Gap[],
  bounds: ArchiveBounds,
): ArchiveListing | null {
  if (!beginsSo(octets, part)) return null
  const end = decodedEnd(octets, part, missing)
  return (end === null ? null : listArchive(end, bounds)) ?? UNREAD
}

/** Transferred octets that hold the first four, whatever the encoding: blank lines may come first. */
const LOOK_OCTETS = 1_024
const UNREAD: ArchiveListing = { names: [], isWhole: false, namesRead: 0 }

function beginsSo(octets: Buffer, part: MimePart): boolean {
  const bodyEnd = Math.min(part.bodyEnd, part.bodyStart + LOOK_OCTETS)
  return beginsAsArchive(decodePart(octets, { ...part, bodyEnd }))
}

/**
 * Lists the names in one archive: something that begins as an archive does, or ends as one. What is put before an
 * archive hides it from nobody who opens it.
 *
 * @returns null where it is no archive
 * Never fails.
 */
export function listArchive(octets: Buffer, bounds: ArchiveBounds): ArchiveListing | null {
  const directories = new Directories(octets, bounds)
  const ends = endsOf(octets)
  for (const end of ends.places) directories.readBefore(end)
  const begins = beginsAsArchive(octets)
  if (!directories.isFound) return begins ? { ...UNREAD, isWhole: isEmptyArchive(octets) } : null
  const isWhole = directories.isWhole && ends.areAll && !(isAt(octets, FILE, 0) && !directories.haveFirst)
  return { names: [...directories.names], isWhole, namesRead: directories.namesRead }
}

/** Whether decoded octets begin as an archive does. */
export function beginsAsArchive(octets: Buffer): boolean {
  return [FILE, END, ...SPLIT].some((mark) => isAt(octets, mark, 0))
}

/** An end record and nothing before it. */
function isEmptyArchive(octets: Buffer): boolean {
  return isAt(octets, END, 0) && octets.length >= END_OCTETS && octets.readUInt32LE(12) === 0
}

/**
 * The end records that a program may go by: the last one, the last whose comment is not longer than what follows, and
 * those whose comment reaches exactly to the end.
 */
function endsOf(octets: Buffer): { readonly places: readonly number[]; readonly areAll: boolean } {
  const first = Math.max(0, octets.length - END_OCTETS - MOST_COMMENT)
  const places: number[] = []
  let hasFitting = false
  let at = octets.length - END_OCTETS
  while (at >= first) {
    at = octets.lastIndexOf(END, at)
    if (at < first) break
    const behind = at + END_OCTETS + octets.readUInt16LE(at + 20)
    const isFitting = behind <= octets.length
    if (places.length === 0 || (isFitting && !hasFitting) || behind === octets.length) {
      if (places.length >= MOST_ENDS) return { places, areAll: false }
      places.push(at)
    }
    hasFitting ||= isFitting
    at -= 1
  }
  return { places, areAll: true }
}

/** What was read of the directories of one archive, of which there is one unless somebody wants to deceive. */
class Directories {
  readonly names = new Set<string>()
  isFound = false
  isWhole = true
  namesRead = 0
  /** Whether the file at the very beginning is in a directory: programs that read from there find it anyway. */
  haveFirst = false
  readonly #octets: Buffer
  readonly #bounds: ArchiveBounds
  readonly #starts = new Set<number>()

  constructor(octets: Buffer, bounds: ArchiveBounds) {
    this.#octets = octets
    this.#bounds = bounds
  }

  /** Reads the directories that an end record tells of: where it says, and where they must be by their size. */
  readBefore(end: number): void {
    const octets = this.#octets
    this.#readFrom(octets.readUInt32LE(end + 16), 0)
    this.#readBehindPrefix(octets.readUInt32LE(end + 16), end - octets.readUInt32LE(end + 12))
    const locator = end - LOCATOR_OCTETS
    if (!isAt(octets, LOCATOR, locator)) return
    const told = Number(octets.readBigUInt64LE(locator + 8))
    for (const large of new Set([told, locator - LARGE_END_OCTETS])) {
      if (!isAt(octets, LARGE_END, large) || large + LARGE_END_OCTETS > octets.length) continue
      const size = Number(octets.readBigUInt64LE(large + 40))
      const start = Number(octets.readBigUInt64LE(large + 48))
      this.#readFrom(start, 0)
      this.#readBehindPrefix(start, large - size)
    }
  }

  /** Where something was put before the archive, all places in it are too small by the length of that. */
  #readBehindPrefix(told: number, real: number): void {
    this.#readFrom(real, real - told)
  }

  #readFrom(start: number, shift: number): void {
    const octets = this.#octets
    if (!isAt(octets, ENTRY, start) || this.#starts.has(start)) return
    this.#starts.add(start)
    this.isFound = true
    let at = start
    while (isAt(octets, ENTRY, at)) {
      const next = this.#readEntry(at, shift)
      if (next === null) {
        this.isWhole = false
        return
      }
      at = next
    }
    // Anything else behind the last file means that there may be more of them.
    if (![END, LARGE_END, SIGNATURE].some((mark) => isAt(octets, mark, at))) this.isWhole = false
  }

  /** @returns where the next file is; null where this one is cut off, or one too many */
  #readEntry(at: number, shift: number): number | null {
    const octets = this.#octets
    const nameAt = at + ENTRY_OCTETS
    if (nameAt > octets.length || this.namesRead >= this.#bounds.names) return null
    const extraAt = nameAt + octets.readUInt16LE(at + 28)
    const commentAt = extraAt + octets.readUInt16LE(at + 30)
    const next = commentAt + octets.readUInt16LE(at + 32)
    if (next > octets.length) return null
    if ((octets.readUInt16LE(at + 8) & MASKED) !== 0) this.isWhole = false
    const place = octets.readUInt32LE(at + 42)
    if (place === ELSEWHERE || place + shift === 0) this.haveFirst = true
    this.#takeName(octets.subarray(nameAt, extraAt))
    this.#takeOtherName(octets.subarray(extraAt, commentAt))
    return next
  }

  /** Programs do not agree on whether a name goes on behind a NUL: both readings count. */
  #takeName(written: Buffer): void {
    const name = isUtf8(written) ? written.toString() : decodeCharset(written, 'cp437')
    this.#add(name)
    const nul = name.indexOf('\0')
    if (nul > 0) this.#add(name.slice(0, nul))
  }

  #add(name: string): void {
    if (this.namesRead >= this.#bounds.names) {
      this.isWhole = false
      return
    }
    this.namesRead += 1
    this.names.add(safeText(name, this.#bounds.nameCharacters))
  }

  #takeOtherName(extra: Buffer): void {
    let at = 0
    while (at + 4 <= extra.length) {
      const end = at + 4 + extra.readUInt16LE(at + 2)
      // Behind a version and a checksum.
      if (extra.readUInt16LE(at) === UNICODE_PATH && end - at > 9) this.#takeName(extra.subarray(at + 9, end))
      at = end
    }
  }
}

function isAt(octets: Buffer, mark: Buffer, at: number): boolean {
  if (!Number.isSafeInteger(at) || at < 0 || at + mark.length > octets.length) return false
  return octets.compare(mark, 0, mark.length, at, at + mark.length) === 0
}
