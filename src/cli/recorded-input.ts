/**
 * What `read`, `export` and their like are given on the command line: files or stdin, and a filter. Finds out which
 * argument is which, and which sessions are meant. Several passes over the input are the rule: a filter asks for what a
 * session had become when it ended, and memory must not grow with the file.
 */
import { existsSync } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Interventions } from '../export/interventions.js'
import { type EventInput, EventReader, fileInput, InputError, POP3_PORTS } from '../export/read-events.js'
import { type Filter, parseFilter } from '../expression/filter.js'
import { matchesSession } from '../sessions/fields.js'
import { SessionStore } from '../sessions/store.js'
import type { TraceEvent } from '../trace/event.js'
import { UsageError } from './failure.js'
import { readFilter } from './filter-option.js'
import { note } from './standard-streams.js'

/** Options that say what is read. */
export interface InputOptions {
  readonly filter?: string
  readonly port?: readonly string[]
}

/** Files and filter told apart. */
export interface RecordedInput {
  readonly reader: EventReader
  readonly filter: Filter | null
  /** As on the command line. */
  readonly names: readonly string[]
  /** Lets go of what stdin was kept in. */
  close(): Promise<void>
}

/** What a first pass found out. */
export interface Survey {
  /** Ids of the sessions that are meant; null for all. */
  readonly chosen: ReadonlySet<string> | null
  readonly interventions: Interventions
  readonly hasSessions: boolean
}

/** Memory for sessions that have not ended: what no filter can see any more is said. */
const SURVEY_BUDGET = { sessions: 50_000, octets: 268_435_456 }
/** A capture holds whole messages; no bound of a live watcher applies. */
const MESSAGE_OCTETS = Number.MAX_SAFE_INTEGER
const STDIN = '-'
const LOOKS_LIKE_A_FILE = /[/\\]|\.(?:jsonl|json|gz|pcap|pcapng|cap)$/i

/**
 * Tells files and filter apart: the last argument is the filter where it is no file and looks like none.
 *
 * @throws UsageError for a file that is missing, FilterMistake for a filter that is wrong
 */
export async function openInput(
  arguments_: readonly string[],
  options: InputOptions,
): Promise<RecordedInput> {
  const { files, filterText } = tellApart(arguments_, options.filter ?? null)
  const filter = filterText === null ? null : readFilter('--filter', filterText, parseFilter)
  const ports = readPorts(options.port ?? [])
  for (const file of files) {
    if (file !== STDIN && !existsSync(file))
      throw new UsageError(`${file} cannot be read: there is no such file`)
  }
  const spool = files.includes(STDIN) ? await spoolStdin() : null
  const inputs = files.map((file) => (file === STDIN && spool !== null ? spool.input : fileInput(file)))
  return {
    reader: new EventReader(inputs, { ports, messageOctets: MESSAGE_OCTETS }),
    filter,
    names: files,
    close: async () => await spool?.close(),
  }
}

/** Reads everything, and says on stderr what could not be understood where `tell` is given. */
export async function* eventsOf(
  reader: EventReader,
  tell: ((line: string) => void) | null,
): AsyncGenerator<TraceEvent, void, void> {
  for await (const item of reader.read()) {
    if (item.type === 'event') yield item.event
    else if (item.type === 'problem') tell?.(`postern: ${item.text}`)
    else tell?.(`postern: ${item.events} events are missing in the recording here`)
  }
}

/** Goes over the input once, to find the sessions that are meant and where their legs differ. */
export async function survey({ reader, filter }: RecordedInput): Promise<Survey> {
  const interventions = new Interventions()
  const chosen = new Set<string>()
  const store = new SessionStore(SURVEY_BUDGET)
  let hasSessions = false
  for await (const event of eventsOf(reader, note)) {
    hasSessions = true
    interventions.note(event)
    if (filter === null) continue
    store.add(event)
    if (event.content.type === 'session-closed') choose(event.session)
  }
  if (filter === null) return { chosen: null, interventions, hasSessions }
  for (const { id, closedAt } of [...store.sessions]) if (closedAt === null) choose(id)
  if (store.droppedEvents > 0)
    note(
      `postern: ${store.droppedEvents} events of very large sessions were beyond what the filter could look at`,
    )
  return { chosen, interventions, hasSessions }

  function choose(id: string): void {
    const record = store.get(id)
    if (filter !== null && record !== null && matchesSession(filter, record)) chosen.add(id)
  }
}

function tellApart(
  arguments_: readonly string[],
  filterOption: string | null,
): { readonly files: readonly string[]; readonly filterText: string | null } {
  const last = arguments_[arguments_.length - 1]
  const isFilter =
    last !== undefined &&
    arguments_.length > 1 &&
    last !== STDIN &&
    !existsSync(last) &&
    !LOOKS_LIKE_A_FILE.test(last)
  if (!isFilter) return { files: arguments_, filterText: filterOption }
  if (filterOption !== null)
    throw new UsageError(`${JSON.stringify(last)} is no file, and a filter is given by -f already`)
  return { files: arguments_.slice(0, -1), filterText: last }
}

function readPorts(texts: readonly string[]): ReadonlySet<number> {
  if (texts.length === 0) return new Set(POP3_PORTS)
  const ports = texts.map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
    if (port < 1 || port > 65_535)
      throw new UsageError(`--port ${JSON.stringify(text)}: a port is a number from 1 to 65535`)
    return port
  })
  return new Set([...POP3_PORTS, ...ports])
}

/** Keeps stdin in a file without a name, since it is read more than once. */
async function spoolStdin(): Promise<{ readonly input: EventInput; close(): Promise<void> }> {
  if (process.stdin.isTTY)
    throw new UsageError('- reads stdin, which is a terminal: name a file, or pipe one in')
  const directory = await mkdtemp(join(tmpdir(), 'postern-'))
  const handle = await open(join(directory, 'stdin'), 'wx+', 0o600)
  await rm(directory, { recursive: true })
  for await (const octets of process.stdin) await handle.write(octets)
  return {
    input: { name: 'stdin', open: () => readFrom(handle) },
    close: async () => await handle.close(),
  }
}

async function* readFrom(handle: FileHandle): AsyncGenerator<Buffer, void, void> {
  let position = 0
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(262_144), 0, 262_144, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Words a file that cannot be used as a mistake of the command line. */
export async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof InputError) throw new UsageError(error.message)
    throw error
  }
}
