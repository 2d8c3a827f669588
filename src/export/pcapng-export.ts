/**
 * Sessions as one pcapng file, piece by piece in the order of their events, so that no session has to be in memory.
 * Owns what belongs into the file beside packets: its beginning, names, TLS secrets.
 */
import type { TraceEvent } from '../trace/event.js'
import { AddressBook } from './address-book.js'
import { LegPackets } from './dialogue-packets.js'
import type { Interventions, Leg } from './interventions.js'
import { decryptionSecrets, enhancedPacket, fileHeader, nameResolution, type PcapngPacket } from './pcapng.js'

/** What goes into the file. */
export interface PcapngExportOptions {
  /** Name and version of this program. */
  readonly application: string
  /** One conversation for each leg of a session. */
  readonly legs: readonly Leg[]
  /** Content of a TLS key log file; null for none. */
  readonly keyLog: Buffer | null
  /** Of the same events, gathered before. */
  readonly interventions: Interventions
}

const FILE_COMMENT =
  'Dialogues of POP3 sessions as postern recorded them, after TLS was removed and with credentials redacted. Addresses, ' +
  'segments and acknowledgements are made up around them; times, lines and content are those of the sessions. Each leg ' +
  'is a conversation with port 110. Comments at packets say what has no octets.'

/** Writes one file. Every method returns the octets that come next. */
export class PcapngExport {
  readonly #options: PcapngExportOptions
  readonly #book = new AddressBook()
  readonly #sessions = new Map<string, { readonly legs: readonly LegPackets[]; lastAt: number }>()
  #ordinal = 0

  constructor(options: PcapngExportOptions) {
    this.#options = options
  }

  /** What the file begins with. */
  begin(): Buffer {
    const { application, keyLog } = this.#options
    const header = fileHeader(application, FILE_COMMENT)
    return keyLog === null ? header : Buffer.concat([header, decryptionSecrets(keyLog)])
  }

  /** Takes one event. */
  add(event: TraceEvent): Buffer {
    const session = this.#sessionOf(event.session)
    session.lastAt = event.at
    const blocks = this.#blocks(session.legs.flatMap((leg) => leg.add(event)))
    if (event.content.type === 'session-closed') this.#sessions.delete(event.session)
    return blocks
  }

  /** What the file ends with: sessions that go on behind the recording. */
  end(): Buffer {
    const packets = [...this.#sessions.values()].flatMap(({ legs, lastAt }) =>
      legs.flatMap((leg) => leg.end(lastAt)),
    )
    this.#sessions.clear()
    return this.#blocks(packets)
  }

  #blocks(packets: readonly PcapngPacket[]): Buffer {
    const names = this.#book.takeNames()
    const blocks = packets.map(enhancedPacket)
    return Buffer.concat(names.length === 0 ? blocks : [nameResolution(names), ...blocks])
  }

  #sessionOf(id: string): { readonly legs: readonly LegPackets[]; lastAt: number } {
    const known = this.#sessions.get(id)
    if (known !== undefined) return known
    this.#ordinal += 1
    const { legs, interventions } = this.#options
    const session = {
      legs: legs.map((leg) => new LegPackets(leg, id, this.#ordinal, interventions, this.#book)),
      lastAt: 0,
    }
    this.#sessions.set(id, session)
    return session
  }
}
