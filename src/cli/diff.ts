/**
 * `postern diff`: what differs between two recorded sessions, or between the sessions of two files in their order.
 */
import type { Command } from 'commander'
import type { DifferenceLine } from '../sessions/difference.js'
import type { SessionRecord } from '../sessions/session-record.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { repeat } from './read.js'
import type { InputOptions } from './recorded-input.js'

interface DiffOptions extends InputOptions {
  readonly session?: string
  readonly otherSession?: string
  readonly all?: boolean
}

/** Adds `diff`; `report` receives its exit status. */
export function registerDiff(program: Command, report: (code: ExitCode) => void): void {
  program
    .command('diff')
    .summary('compare two recorded sessions: direct and proxied, yesterday and today')
    .argument('<first>', 'recording or capture')
    .argument('<second>', 'recording or capture')
    .description(
      'Compares command by command: what was asked, what was answered, octets of content. Times, ports and what servers say anew at each login do not count.',
    )
    .option('-f, --filter <filter>', 'only sessions for which this holds, in both files')
    .option('--session <id>', 'this session of the first file (default: all of both, in their order)')
    .option('--other-session <id>', 'this session of the second file (default: the only one)')
    .option('--port <port>', 'in captures, look at this port of servers too, can be repeated', repeat)
    .option('--all', 'print what is alike too')
    .addHelpText('after', DIFF_HELP)
    .action(async (first: string, second: string, options: DiffOptions) => {
      report(await diff(first, second, options))
    })
}

/**
 * Prints the differences.
 *
 * @returns 0 where the sessions are alike, 1 where they are not, as diff(1) does
 */
export async function diff(first: string, second: string, options: DiffOptions): Promise<ExitCode> {
  const { recordedSessions, oneSession } = await import('./recorded-sessions.js')
  const ones = await recordedSessions(first, options)
  const twos = await recordedSessions(second, options)
  const isOfOne = options.session !== undefined || options.otherSession !== undefined
  const pairs = isOfOne
    ? [[oneSession(ones, first, options.session), oneSession(twos, second, options.otherSession)] as const]
    : inOrder(ones, twos)
  let isAlike = true
  for (const [one, two] of pairs) {
    const { text, alike } = await compare(one, two, options.all === true)
    isAlike &&= alike
    process.stdout.write(text)
  }
  return isAlike ? EXIT_CODES.success : EXIT_CODES.failure
}

/**
 * Words a comparison, one line each: `  ` alike, `! ` changed, `- ` only in the first, `+ ` only in the second.
 *
 * @param withAlike also lines of what is alike
 */
export function differenceText(lines: readonly DifferenceLine[], withAlike: boolean): string {
  return lines
    .filter(({ kind }) => withAlike || kind !== 'same')
    .map(({ kind, what, details }) => `${MARKS[kind]} ${[what, ...details].join('\n      ')}\n`)
    .join('')
}

const MARKS: Readonly<Record<DifferenceLine['kind'], string>> = {
  same: ' ',
  changed: '!',
  'only-first': '-',
  'only-second': '+',
}

type Pair = readonly [SessionRecord | null, SessionRecord | null]

function inOrder(ones: readonly SessionRecord[], twos: readonly SessionRecord[]): readonly Pair[] {
  return Array.from({ length: Math.max(ones.length, twos.length) }, (_, index): Pair => {
    return [ones[index] ?? null, twos[index] ?? null]
  })
}

async function compare(
  one: SessionRecord | null,
  two: SessionRecord | null,
  withAlike: boolean,
): Promise<{ readonly text: string; readonly alike: boolean }> {
  if (one === null || two === null) {
    const text =
      one === null ? `+ session ${two?.id} of the second file\n` : `- session ${one.id} of the first file\n`
    return { text, alike: false }
  }
  const { differenceOf, isAlike } = await import('../sessions/difference.js')
  const lines = differenceOf(one, two)
  const alike = isAlike(lines)
  const verdict = alike ? 'alike' : `${lines.filter(({ kind }) => kind !== 'same').length} differences`
  return { text: `${one.id} and ${two.id}: ${verdict}\n${differenceText(lines, withAlike)}`, alike }
}

const DIFF_HELP = `
Examples:
  $ postern diff yesterday.jsonl today.jsonl
  $ postern diff direct.pcap proxied.jsonl -f 'user == "alice"'
  $ postern diff all.jsonl all.jsonl --session 5f2c-1 --other-session 5f2c-9

  ! changed, - only in the first, + only in the second

Exit status: 0 where they are alike, 1 where they differ, 2 for a mistake in files or options.`
