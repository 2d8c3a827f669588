/**
 * `postern export`: sessions as pcapng for Wireshark, messages as .eml files or one mbox, events as a recording.
 */
import { existsSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import type { Leg } from '../export/interventions.js'
import type { TraceEvent } from '../trace/event.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { repeat } from './read.js'
import type { InputOptions, RecordedInput, Survey } from './recorded-input.js'
import { note } from './standard-streams.js'
import { PROGRAM } from './version.js'

interface ExportOptions extends InputOptions {
  /** True where no file is named: then it is named after the input. */
  readonly pcapng?: string | true
  readonly eml?: string
  readonly mbox?: string
  readonly jsonl?: string
  readonly leg: 'client' | 'server' | 'both'
  readonly keylog?: string
}

/** Where one kind of export goes, and how many sessions and messages went there. */
interface Exporter {
  add(event: TraceEvent): Promise<void>
  end(): Promise<string>
}

/** Adds `export`; `report` receives its exit status. */
export function registerExport(program: Command, report: (code: ExitCode) => void): void {
  program
    .command('export')
    .summary('write sessions as pcapng, messages as .eml or mbox')
    .argument('[file...]', 'recordings (also .gz) and captures, - for stdin; a filter may stand last')
    .description('Writes what recordings hold in the formats of other programs. No file is ever overwritten.')
    .option('--pcapng [file]', 'the dialogues for Wireshark and tshark (default: named after the input)')
    .option('--eml <directory>', 'each message as a file of its own, octet for octet')
    .option('--mbox <file>', 'all messages as one mbox')
    .option('--jsonl <file>', 'the events, as a recording')
    .option('-f, --filter <filter>', 'only sessions for which this holds, or that contain these words')
    .addOption(
      new Option('--leg <leg>', 'what the client got, what the server sent, or (pcapng only) both')
        .choices(['client', 'server', 'both'])
        .default('client'),
    )
    .option('--keylog <file>', 'put the TLS secrets of this SSLKEYLOGFILE into the pcapng file')
    .option(
      '--port <port>',
      'in captures, look at this port of servers too, can be repeated (default: 110, 995)',
      repeat,
    )
    .addHelpText('after', EXPORT_HELP)
    .action(async (files: readonly string[], options: ExportOptions) => {
      report(await exportSessions(files, options))
    })
}

/**
 * Writes what was asked for, all in one go over the input.
 *
 * @returns 0 where a session was exported, 1 where none matched
 * @throws UsageError for files and combinations of options that cannot be meant, FilterMistake for the filter
 */
export async function exportSessions(arguments_: readonly string[], given: ExportOptions): Promise<ExitCode> {
  const { files, options } = withInput(arguments_, given)
  refuseContradictions(files, options)
  const { asUsage, openInput, survey } = await import('./recorded-input.js')
  return await asUsage(async () => {
    const input = await openInput(files, options)
    try {
      const found = await survey(input)
      const isEmpty = found.chosen === null ? !found.hasSessions : found.chosen.size === 0
      if (isEmpty) {
        note('postern: no session matches, so nothing was written')
        return EXIT_CODES.failure
      }
      await write(input, found, options)
      return EXIT_CODES.success
    } finally {
      await input.close()
    }
  })
}

/** `postern export --pcapng demo.jsonl`: no output is overwritten, so a file that is there can only be the input. */
function withInput(
  files: readonly string[],
  options: ExportOptions,
): { readonly files: readonly string[]; readonly options: ExportOptions } {
  const { pcapng } = options
  if (files.length > 0 || typeof pcapng !== 'string' || !existsSync(pcapng)) return { files, options }
  return { files: [pcapng], options: { ...options, pcapng: true } }
}

function refuseContradictions(files: readonly string[], options: ExportOptions): void {
  const { pcapng, eml, mbox, jsonl, leg, keylog } = options
  if (files.length === 0)
    throw new UsageError('name a recording or capture to export from, as "postern run --write" makes it')
  if ([pcapng, eml, mbox, jsonl].every((output) => output === undefined))
    throw new UsageError('say what to write: --pcapng [FILE], --eml DIRECTORY, --mbox FILE or --jsonl FILE')
  if (leg === 'both' && (eml !== undefined || mbox !== undefined))
    throw new UsageError(
      '--leg both is for --pcapng alone: a message is written as one leg had it, client or server',
    )
  if (keylog !== undefined && pcapng === undefined)
    throw new UsageError('--keylog goes into a pcapng file: add --pcapng')
  const toStdout = [pcapng, mbox, jsonl].filter((output) => output === '-')
  if (toStdout.length > 1) throw new UsageError('only one output can be - (stdout)')
}

async function write(input: RecordedInput, found: Survey, options: ExportOptions): Promise<void> {
  const { eventsOf } = await import('./recorded-input.js')
  const exporters = await openExporters(input, found, options)
  for await (const event of eventsOf(input.reader, null)) {
    if (found.chosen !== null && !found.chosen.has(event.session)) continue
    for (const exporter of exporters) await exporter.add(event)
  }
  for (const exporter of exporters) note(`postern: ${await exporter.end()}`)
}

async function openExporters(
  input: RecordedInput,
  found: Survey,
  options: ExportOptions,
): Promise<readonly Exporter[]> {
  const { pcapng, eml, mbox, jsonl } = options
  const exporters: Exporter[] = []
  if (pcapng !== undefined)
    exporters.push(await pcapngExporter(pcapng === true ? pcapngName(input) : pcapng, found, options))
  if (eml !== undefined) exporters.push(await emlExporter(eml, found, messageLeg(options)))
  if (mbox !== undefined) exporters.push(await mboxExporter(mbox, found, messageLeg(options)))
  if (jsonl !== undefined) exporters.push(await jsonlExporter(jsonl))
  return exporters
}

function messageLeg({ leg }: ExportOptions): Leg {
  return leg === 'server' ? 'server' : 'client'
}

/** `logs/demo.jsonl.gz` becomes `demo.pcapng` in the working directory. */
function pcapngName({ names }: RecordedInput): string {
  const [first = '-'] = names
  const stem = basename(first).replace(/(?:\.(?:jsonl|json|pcapng|pcap|cap))?(?:\.gz)?$/i, '')
  return `${first === '-' || stem === '' ? 'postern' : stem}.pcapng`
}

async function pcapngExporter(file: string, found: Survey, options: ExportOptions): Promise<Exporter> {
  const { PcapngExport } = await import('../export/pcapng-export.js')
  const legs: readonly Leg[] = options.leg === 'both' ? ['client', 'server'] : [options.leg]
  const keyLog = options.keylog === undefined ? null : await readKeyLog(options.keylog)
  const pcapng = new PcapngExport({ application: PROGRAM, legs, keyLog, interventions: found.interventions })
  const output = await OutputFile.create(file)
  await output.write(pcapng.begin())
  const sessions = new Set<string>()
  return {
    async add(event) {
      sessions.add(event.session)
      await output.write(pcapng.add(event))
    },
    async end() {
      await output.write(pcapng.end())
      await output.close()
      return `${output.name}: ${counted(sessions.size, 'session')}; read it with "tshark -r ${output.name} -Y pop"`
    },
  }
}

async function readKeyLog(file: string): Promise<Buffer> {
  const { readFile } = await import('node:fs/promises')
  try {
    return await readFile(file)
  } catch (error) {
    throw new UsageError(`--keylog ${file} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

async function emlExporter(directory: string, found: Survey, leg: Leg): Promise<Exporter> {
  const { MessageGatherer } = await import('../export/gather-messages.js')
  const { emlName } = await import('../export/eml.js')
  const { mkdir } = await import('node:fs/promises')
  const { join } = await import('node:path')
  const gatherer = new MessageGatherer(leg, found.interventions)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  let written = 0
  const save = async (message: Parameters<typeof emlName>[0] | null): Promise<void> => {
    if (message === null) return
    const output = await OutputFile.create(join(directory, emlName(message)))
    await output.write(message.octets)
    await output.close()
    written += 1
  }
  return {
    add: async (event) => await save(gatherer.add(event)),
    async end() {
      return `${directory}: ${messagesWritten(written, gatherer.notWhole)}`
    },
  }
}

async function mboxExporter(file: string, found: Survey, leg: Leg): Promise<Exporter> {
  const { MessageGatherer } = await import('../export/gather-messages.js')
  const { mboxEntry } = await import('../export/mbox.js')
  const gatherer = new MessageGatherer(leg, found.interventions)
  const output = await OutputFile.create(file)
  let written = 0
  const save = async (message: Parameters<typeof mboxEntry>[0] | null): Promise<void> => {
    if (message === null) return
    await output.write(mboxEntry(message))
    written += 1
  }
  return {
    add: async (event) => await save(gatherer.add(event)),
    async end() {
      await output.close()
      return `${output.name}: ${messagesWritten(written, gatherer.notWhole)}`
    },
  }
}

async function jsonlExporter(file: string): Promise<Exporter> {
  const { recordingHeader, recordingLine } = await import('../trace/recording.js')
  const output = await OutputFile.create(file)
  await output.write(Buffer.from(recordingHeader(PROGRAM, Date.now())))
  let events = 0
  return {
    async add(event) {
      events += 1
      await output.write(Buffer.from(recordingLine(event)))
    },
    async end() {
      await output.close()
      return `${output.name}: ${counted(events, 'event')}`
    },
  }
}

function messagesWritten(written: number, notWhole: number): string {
  const text = counted(written, 'message')
  if (notWhole === 0) return text
  return `${text}; ${counted(notWhole, 'more')} passed but ${notWhole === 1 ? 'is' : 'are'} not whole in the recording`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 || noun === 'more' ? '' : 's'}`
}

/** A file that did not exist, for its owner alone; `-` is stdout. Small writes are joined. */
class OutputFile {
  readonly name: string
  readonly #handle: FileHandle | null
  #waiting: Buffer[] = []
  #octets = 0

  private constructor(name: string, handle: FileHandle | null) {
    this.name = name
    this.#handle = handle
  }

  static async create(file: string): Promise<OutputFile> {
    if (file === '-') {
      if (process.stdout.isTTY)
        throw new UsageError('- writes to stdout, which is a terminal: redirect it, or name a file')
      return new OutputFile('stdout', null)
    }
    const { open } = await import('node:fs/promises')
    try {
      return new OutputFile(file, await open(file, 'wx', 0o600))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
        throw new UsageError(`${file} exists already and is not overwritten: choose another name`)
      throw error
    }
  }

  async write(octets: Buffer): Promise<void> {
    this.#waiting.push(octets)
    this.#octets += octets.length
    if (this.#octets >= 262_144) await this.#flush()
  }

  async close(): Promise<void> {
    await this.#flush()
    await this.#handle?.close()
  }

  async #flush(): Promise<void> {
    const octets = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#octets = 0
    if (octets.length === 0) return
    if (this.#handle !== null) await this.#handle.writeFile(octets)
    else if (!process.stdout.write(octets))
      await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
  }
}

const EXPORT_HELP = `
Examples:
  $ postern export demo.jsonl --pcapng
      Writes demo.pcapng; then "tshark -r demo.pcapng -Y pop", or open it in Wireshark.
  $ postern export demo.jsonl 'user == "alice"' --pcapng - | tshark -r - -Y pop
  $ postern export demo.jsonl --eml mails --mbox mails.mbox
      Messages that the recording holds whole; "postern run --write" keeps them where it was told to.

In the pcapng file each leg of a session is a conversation with port 110, without TLS, credentials
redacted; what was not recorded is missing there as in a capture that lost it.

Exit status: 0 where a session was exported, 1 where none matched, 2 for a mistake in files or options,
3 for a filter that cannot be understood.`
