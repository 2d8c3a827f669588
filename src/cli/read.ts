/**
 * `postern read`: what recordings and captures hold, as lines of text, as JSON lines, or in the dashboard.
 */
import { basename } from 'node:path'
import type { Command } from 'commander'
import type { TraceEvent } from '../trace/event.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import type { InputOptions, RecordedInput } from './recorded-input.js'
import { note } from './standard-streams.js'
import { PROGRAM } from './version.js'

interface ReadOptions extends InputOptions {
  readonly text?: boolean
  readonly json?: boolean
}

/** Adds `read`; `report` receives its exit status. */
export function registerRead(program: Command, report: (code: ExitCode) => void): void {
  program
    .command('read')
    .summary('show recordings and captures: dashboard, text or JSON')
    .argument(
      '<file...>',
      'recordings (also .gz) and captures (pcap, pcapng), - for stdin; a filter may stand last',
    )
    .description(
      'Opens recordings made by --write and captures of plain POP3 made by tcpdump. On a terminal the dashboard opens, else each event is a line of text.',
    )
    .option('-f, --filter <filter>', 'only sessions for which this holds, or that contain these words')
    .option('--text', 'lines of text, also on a terminal')
    .option('--json', 'lines of JSON, themselves a recording')
    .option(
      '--port <port>',
      'in captures, look at this port of servers too, can be repeated (default: 110, 995)',
      repeat,
    )
    .addHelpText('after', READ_HELP)
    .action(async (files: readonly string[], options: ReadOptions) => {
      report(await read(files, options))
    })
}

/** Collects an option that can be repeated. */
export function repeat(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/**
 * Prints what the files hold.
 *
 * @returns 0 where a session was shown, 1 where none matched
 * @throws UsageError for files that cannot be read, FilterMistake for a filter that cannot be understood
 */
export async function read(arguments_: readonly string[], options: ReadOptions): Promise<ExitCode> {
  if (options.text === true && options.json === true) throw new UsageError('choose one of --text and --json')
  const { asUsage, openInput } = await import('./recorded-input.js')
  return await asUsage(async () => {
    const input = await openInput(arguments_, options)
    try {
      const wantsLines = options.json === true || options.text === true || input.names.includes('-')
      if (!wantsLines && (await canShow())) return await show(input)
      return await print(input, options.json === true)
    } finally {
      await input.close()
    }
  })
}

async function canShow(): Promise<boolean> {
  const { canShowDashboard } = await import('./dashboard-process.js')
  return canShowDashboard(process.stdin, process.stdout, process.env)
}

/** What does not match is there too, behind the filter, which a key takes away. */
async function show({ reader, filter, names }: RecordedInput): Promise<ExitCode> {
  const { runDashboard } = await import('../dashboard/dashboard.js')
  const { recordingSource } = await import('./recording-source.js')
  const { stdin: input, stdout: output, env: environment } = process
  const name = names.map((each) => basename(each)).join(' ')
  await runDashboard(recordingSource(reader, name), { input, output, environment, filter })
  return EXIT_CODES.success
}

async function print(input: RecordedInput, asJson: boolean): Promise<ExitCode> {
  const { eventsOf, survey } = await import('./recorded-input.js')
  const lineOf = asJson ? await jsonLines() : await textLines()
  const chosen = input.filter === null ? null : (await survey(input)).chosen
  const output = new LineOutput()
  let hasMatched = false
  // What could not be understood is said once: by the first pass where there are two.
  for await (const event of eventsOf(input.reader, chosen === null ? note : null)) {
    if (chosen !== null && !chosen.has(event.session)) continue
    if (!hasMatched) await output.write(asJson ? await jsonHeader() : '')
    hasMatched = true
    await output.write(lineOf(event))
  }
  await output.flush()
  return hasMatched ? EXIT_CODES.success : EXIT_CODES.failure
}

async function jsonHeader(): Promise<string> {
  const { recordingHeader } = await import('../trace/recording.js')
  return recordingHeader(PROGRAM, Date.now())
}

async function jsonLines(): Promise<(event: TraceEvent) => string> {
  return (await import('../trace/recording.js')).recordingLine
}

async function textLines(): Promise<(event: TraceEvent) => string> {
  const { dumpLine } = await import('./dump-line.js')
  return (event) => `${dumpLine(event)}\n`
}

/** Lines to stdout, many at a time, and no faster than they are read. */
class LineOutput {
  #waiting = ''

  async write(text: string): Promise<void> {
    this.#waiting += text
    if (this.#waiting.length >= 65_536) await this.flush()
  }

  async flush(): Promise<void> {
    const text = this.#waiting
    this.#waiting = ''
    if (text !== '' && !process.stdout.write(text))
      await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
  }
}

const READ_HELP = `
Examples:
  $ postern read demo.jsonl                   open it in the dashboard
  $ postern read demo.jsonl 'errors > 0'      sessions in which something went wrong
  $ postern read demo.jsonl -f 'command == "RETR" && size > 1000000' --json | jq .
  $ tcpdump -i any -s 0 -w mail.pcap port 110; postern read mail.pcap --text

A filter is an expression over fields (user, client, server, errors, command, size, subject, ...) or
plain words, which are searched. Credentials are left out, in captures too.

Exit status: 0 where a session was shown, 1 where none matched, 2 for a file that cannot be read, 3 for
a filter that cannot be understood.`
