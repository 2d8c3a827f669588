/**
 * `postern quarantine`: what rules kept back, listed, looked at, released, deleted. Owns the wording; the work is done
 * in `quarantine/`, which is loaded when a command runs. What is in quarantine is hostile: no octet of it reaches a
 * terminal as it is unless somebody insists.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Attachment } from '../mail/message.js'
import type { QuarantinedMessage, Quarantine as Store } from '../quarantine/quarantine.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import { note } from './standard-streams.js'
import { defaultQuarantineDirectory } from './state-directory.js'

interface DirectoryOption {
  readonly directory?: string
}

interface OutputOptions extends DirectoryOption {
  readonly json?: boolean
}

interface ShowOptions extends OutputOptions {
  readonly raw?: boolean
  readonly force?: boolean
}

/** Adds `quarantine` and the commands below it; `report` receives the exit status. */
export function registerQuarantine(program: Command, report: (code: ExitCode) => void): void {
  const quarantine = program
    .command('quarantine')
    .summary('list, show, release and delete messages that rules kept back')
    .description('Messages that a rule with the action quarantine kept back from clients, octet for octet.')
    .addHelpText('after', QUARANTINE_HELP)

  withOutput(quarantine.command('list'))
    .description('Prints a line for each message, the newest last.')
    .action(async (options: OutputOptions) => report(await list(options)))
  withOutput(quarantine.command('show'))
    .argument('<id>', 'the message; the first digits are enough')
    .description('Prints why a message is kept, its header section in short and its attachments.')
    .option('--raw', 'print the message itself, octet for octet')
    .option('--force', 'print it to a terminal too, which does what the octets say')
    .action(async (id: string, options: ShowOptions) => report(await show(id, options)))
  withOutput(quarantine.command('release'))
    .argument('<id...>', 'the messages; the first digits of each are enough')
    .description('Lets messages pass: the client gets them when it next fetches. The copies stay.')
    .action(async (ids: readonly string[], options: OutputOptions) =>
      report(await change(ids, options, 'release')),
    )
  withOutput(quarantine.command('delete'))
    .argument('<id...>', 'the messages; the first digits of each are enough')
    .description('Deletes the copies for good. The originals at the server stay.')
    .action(async (ids: readonly string[], options: OutputOptions) =>
      report(await change(ids, options, 'delete')),
    )
}

function withOutput(command: Command): Command {
  return command
    .option(
      '--directory <directory>',
      'folder of the quarantine (default: quarantine in $STATE_DIRECTORY, else in ~/.local/state/postern)',
    )
    .option('--json', 'print JSON')
}

async function list(options: OutputOptions): Promise<ExitCode> {
  return await withQuarantine(options, async (store) => {
    const messages = await store.list()
    if (options.json === true) print(json(messages))
    else if (messages.length === 0) print(`Nothing is in quarantine in ${store.directory}`)
    else print(await table(messages))
    return EXIT_CODES.success
  })
}

async function show(id: string, options: ShowOptions): Promise<ExitCode> {
  if (options.raw === true && options.json === true) throw new UsageError('choose one of --raw and --json')
  if (options.force === true && options.raw !== true)
    throw new UsageError('--force goes with --raw: nothing else is dangerous to print')
  if (options.raw === true && options.force !== true && process.stdout.isTTY === true)
    throw new UsageError(
      '--raw would print octets of a stranger on this terminal, which may act on them: write them to a file (postern quarantine show --raw ID > message.eml), or insist with --force',
    )
  return await withQuarantine(options, async (store) => {
    if (options.raw === true) {
      // However large it is.
      const { message, content, isIntact } = await store.open(id)
      if (!isIntact) warnOfChange(message)
      for await (const piece of content.pieces()) await write(piece)
      return EXIT_CODES.success
    }
    const { message, content, isIntact } = await store.show(id)
    if (!isIntact) warnOfChange(message)
    if (options.json === true) print(json({ ...message, isIntact, header: await headerOf(content) }))
    else print(await description(message, content))
    return EXIT_CODES.success
  })
}

function warnOfChange({ id }: QuarantinedMessage): void {
  note(`postern: warning: the copy of ${id} is not what was kept: it was changed`)
}

/** Does the same with each; the first that fails ends it, after what was done before it was said. */
async function change(
  ids: readonly string[],
  options: OutputOptions,
  action: 'release' | 'delete',
): Promise<ExitCode> {
  return await withQuarantine(options, async (store) => {
    for (const id of ids) {
      const message = await store[action](id)
      if (options.json === true) print(JSON.stringify({ action, ...message }))
      else print(`${CHANGED[action]} ${message.id}: ${await shortly(message)}`)
    }
    return EXIT_CODES.success
  })
}

const CHANGED = { release: 'Released', delete: 'Deleted the copy of' } as const

async function withQuarantine(
  { directory }: DirectoryOption,
  work: (store: Store) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { openQuarantine } = await import('../quarantine/quarantine.js')
  const { QUARANTINE_LIMITS } = await import('../quarantine/limits.js')
  const folder = directory === undefined ? defaultQuarantineDirectory() : resolve(directory)
  const store = await openQuarantine(folder, QUARANTINE_LIMITS, 'refuse')
  try {
    return await work(store)
  } finally {
    store.close()
  }
}

/** Cells of the columns; the last one has what is left of a line of 120. */
const FROM_CELLS = 28
const RULE_CELLS = 20
const SUBJECT_CELLS = 40

async function table(messages: readonly QuarantinedMessage[]): Promise<string> {
  const { padTo, cutTo } = await import('../dashboard/cells.js')
  const row = (cells: readonly [string, string, string, string, string, string, string]): string => {
    const [id, when, size, state, from, rule, subject] = cells
    return [
      padTo(id, 16),
      padTo(when, 16),
      padTo(size, 9, 'right'),
      padTo(state, 8),
      padTo(from, FROM_CELLS),
      padTo(rule, RULE_CELLS),
      cutTo(subject, SUBJECT_CELLS),
    ]
      .join('  ')
      .trimEnd()
  }
  return [
    row(['ID', 'WHEN (UTC)', 'SIZE', 'STATE', 'FROM', 'RULE', 'SUBJECT']),
    ...messages.map((message) =>
      row([
        message.id,
        minute(message.at),
        sizeOf(message.octets),
        message.state,
        message.from ?? '-',
        message.rule ?? '-',
        message.subject ?? '-',
      ]),
    ),
  ].join('\n')
}

async function description(message: QuarantinedMessage, content: Buffer): Promise<string> {
  const { describeMessage } = await import('../mail/message.js')
  const { toCells } = await import('../dashboard/cells.js')
  const facts = describeMessage(content)
  const lines: (readonly [string, string | null])[] = [
    ['id', message.id],
    ['SHA-256', message.sha256],
    [
      'state',
      message.state === 'released' ? 'released: the client gets it when it fetches' : 'kept from the client',
    ],
    ['kept', message.at === null ? null : new Date(message.at).toISOString()],
    ['rule', message.rule],
    ['reason', message.reason],
    ['user', message.user],
    ['service', message.service],
    ['session', message.session],
    ['unique-id', message.uniqueId],
    ['octets', String(message.octets)],
    ['From', facts.from],
    ['To', facts.to],
    ['Date', facts.date],
    ['Subject', facts.subject],
    ['Message-ID', facts.messageId],
    ...facts.attachments
      .slice(0, SHOWN_ATTACHMENTS)
      .flatMap((attachment): readonly (readonly [string, string])[] => [
        [
          'attachment',
          `${attachment.name === '' ? '(no name)' : attachment.name}, ${attachment.type}, ${attachment.size} octets`,
        ],
        ...archiveLines(attachment),
      ]),
  ]
  const more = facts.attachments.length - SHOWN_ATTACHMENTS
  if (more > 0) lines.push(['', `and ${more} more attachments`])
  return lines.map(([name, value]) => `${name.padEnd(12)}${toCells(value ?? '-')}`).join('\n')
}

/** A message of a thousand parts is shown by its first ones. */
const SHOWN_ATTACHMENTS = 50
/** So is an archive. */
const SHOWN_FILES = 20

function archiveLines({ files, isUnlisted }: Attachment): readonly (readonly [string, string])[] {
  const lines = files.slice(0, SHOWN_FILES).map((name) => ['', `  ${name}`] as const)
  const more = files.length - lines.length
  return [
    ...lines,
    ...(more > 0 ? [['', `  and ${more} more files`] as const] : []),
    ...(isUnlisted ? [['', '  (an archive whose names cannot all be read)'] as const] : []),
  ]
}

async function headerOf(
  content: Buffer,
): Promise<readonly { readonly name: string; readonly value: string }[]> {
  const { readHeader } = await import('../mail/header.js')
  return readHeader(content).fields.map(({ name, value }) => ({ name, value }))
}

async function shortly({ from, subject }: QuarantinedMessage): Promise<string> {
  const { cutTo } = await import('../dashboard/cells.js')
  return `${cutTo(subject ?? '(no subject)', SUBJECT_CELLS)}, from ${cutTo(from ?? 'nobody', FROM_CELLS)}`
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

function minute(at: number | null): string {
  return at === null ? '-' : new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}

function sizeOf(octets: number): string {
  if (octets < 1_024) return `${octets} B`
  if (octets < 1_048_576) return `${(octets / 1_024).toFixed(1)} KiB`
  return `${(octets / 1_048_576).toFixed(1)} MiB`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function write(octets: Buffer): Promise<void> {
  await new Promise<void>((done) => process.stdout.write(octets, () => done()))
}

const QUARANTINE_HELP = `
A message is kept once for each content, and stays at the server as it is: a rule hides it there or not. What is
released is delivered when the client fetches next, and so is the same content to anybody else. Deleting makes room
again: a full quarantine keeps nothing more, and the rule's on-failure says what becomes of a message then.

The folder is a Maildir: mutt -f FOLDER reads it too.

Examples:
  $ postern quarantine list
  $ postern quarantine show 3f2a
  $ postern quarantine show 3f2a --raw > message.eml
  $ postern quarantine release 3f2a
  $ postern quarantine delete 3f2a 91bc
  $ sudo -u postern postern quarantine list --directory /var/lib/postern/quarantine`
