/**
 * `postern replay`: a recorded session as the server for a client under test, or as the client of a server.
 */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { UsageError } from './failure.js'
import type { SharedOptions } from './options.js'
import { repeat } from './read.js'
import type { InputOptions } from './recorded-input.js'
import { note } from './standard-streams.js'

interface ReplayOptions extends InputOptions, SharedOptions {
  readonly asServer?: boolean
  readonly asClient?: boolean
  readonly session?: string
  readonly keepTime?: boolean
  readonly user?: string
  readonly passwordFile?: string
  readonly deletions?: boolean
  readonly send?: readonly string[]
  readonly all?: boolean
}

const DEFAULT_ADDRESS = 'pop3://127.0.0.1:1110'
const PASSWORD_VARIABLE = 'POSTERN_REPLAY_PASSWORD'

/** Adds `replay`; `report` receives its exit status. */
export function registerReplay(program: Command, report: (code: ExitCode) => void): void {
  program
    .command('replay')
    .summary('serve a recorded session to a client, or play its client against a server')
    .argument('<file>', 'recording, made with the content of messages where these are to be served')
    .description(
      'As server, each client meets the recording from its beginning and may log in with any password. As client, the recorded commands are given to a server and what it answers is compared with the recording.',
    )
    .option('--as-server', 'answer clients as the recorded server did')
    .option('--as-client', 'give the recorded commands to the server of --upstream')
    .option('-f, --filter <filter>', 'the session for which this holds')
    .option('--session <id>', 'this session (default: the only one)')
    .option('--port <port>', 'in a capture, look at this port of servers too, can be repeated', repeat)
    .option(
      '-l, --listen <url>',
      `as server, accept clients here: pop3:// or pop3s:// (default: ${DEFAULT_ADDRESS})`,
      repeat,
    )
    .option('--cert <file>', 'certificate chain for pop3s://, PEM')
    .option('--key <file>', 'private key of --cert, PEM')
    .option('--keep-time', 'as server, take as long for each answer as the recorded server')
    .option('-u, --upstream <url>', 'as client, the server: pop3s://, pop3+stls:// or pop3://')
    .option('--upstream-ca <file>', 'trust only the authorities in this PEM file for the server')
    .option(
      '--upstream-name <name>',
      'the name its certificate must carry, where it is not the host of the URL',
    )
    .option('--pin <sha256>', 'demand this public key or certificate of the server, can be repeated', repeat)
    .option(
      '--accept-certificate <sha256>',
      'accept this one certificate although it does not verify, can be repeated',
      repeat,
    )
    .option('--user <name>', 'as client, the account (default: the recorded one)')
    .option(
      '--password-file <file>',
      `as client, its password, on the first line (or in ${PASSWORD_VARIABLE})`,
    )
    .option('--deletions', 'as client, give DELE too: this deletes mail')
    .option(
      '--send <command>',
      'as client, log in as recorded, then give this command instead and print what comes, can be repeated',
      repeat,
    )
    .option('--all', 'as client, print what is alike too')
    .addHelpText('after', REPLAY_HELP)
    .action(async (file: string, options: ReplayOptions) => {
      report(await replay(file, options))
    })
}

/**
 * Replays until a signal ends it (as server) or the script is through (as client).
 *
 * @returns as client 0 where the server answered as recorded, 1 where it did not, 6 where it could not be used
 * @throws UsageError for options that do not go together, files that cannot be read
 */
export async function replay(file: string, options: ReplayOptions): Promise<ExitCode> {
  if ((options.asServer === true) === (options.asClient === true)) {
    throw new UsageError('choose one of --as-server and --as-client')
  }
  const { oneSession, recordedSessions } = await import('./recorded-sessions.js')
  const record = oneSession(await recordedSessions(file, options), file, options.session)
  return options.asServer === true ? await serve(record, options) : await play(record, options)
}

type Recorded = Parameters<typeof import('../replay/as-server.js').serveRecording>[0]

async function serve(record: Recorded, options: ReplayOptions): Promise<ExitCode> {
  const { checkOptions } = await import('./options.js')
  const { DEFAULT_LIMITS } = await import('../config/defaults.js')
  const { parseLegUrl, formatLegUrl } = await import('../config/url.js')
  const { ListenError } = await import('../proxy/listen-error.js')
  const { serveRecording } = await import('../replay/as-server.js')
  const { serveUntilSignal } = await import('./lifecycle.js')
  const { commandLine } = checkOptions({ ...options, listen: options.listen ?? [] }, process.cwd())
  const [url = parseLegUrl(DEFAULT_ADDRESS), ...others] = commandLine.listen
  if (others.length > 0) throw new UsageError('a recording is served at one address')
  if (url.security === 'stls') {
    throw new UsageError('a recording is served by pop3:// or pop3s://; STLS cannot be played')
  }
  const certificate = commandLine.certificate
  if ((url.security === 'tls') !== (certificate !== null)) {
    throw new UsageError(
      certificate === null
        ? 'pop3s:// needs --cert and --key ("postern ca leaf" writes them)'
        : '--cert is for pop3s://',
    )
  }
  const server = await serveRecording(record, {
    host: url.host,
    port: url.port,
    tls:
      certificate === null
        ? null
        : {
            cert: readFileSync(certificate.certFile, 'utf8'),
            key: readFileSync(certificate.keyFile, 'utf8'),
          },
    keepsTime: options.keepTime === true,
    limits: DEFAULT_LIMITS,
    onNote: (client, text) => process.stdout.write(`${client} ${text}\n`),
  }).catch((error: unknown) => {
    throw error instanceof Error && 'syscall' in error ? new ListenError(formatLegUrl(url), error) : error
  })
  const ended = serveUntilSignal({
    drain: () => server.close(),
    stop: () => server.close(),
    reload: async () => {},
    drainMs: () => 1_000,
    // Nothing of a recording is lost with a connection: there is no reply to wait for.
    announce: () => note('postern: ending'),
  })
  note(
    `postern: session ${record.id} answers at ${formatLegUrl({ ...url, port: server.port })}, any password will do`,
  )
  return await ended
}

/**
 * The script is played through a proxy of its own on loopback: TLS toward the server, certificate checks and the
 * trace of what was said are those of `postern run`.
 */
async function play(record: Recorded, options: ReplayOptions): Promise<ExitCode> {
  const { playThroughProxy } = await import('./play-through-proxy.js')
  const { comparable } = await import('../replay/comparable.js')
  const { differenceOf, isAlike } = await import('../sessions/difference.js')
  const { differenceText } = await import('./diff.js')
  const script = await scriptOf(record, options)
  for (const text of script.notes) note(`postern: ${text}`)
  const { played, problem, failure } = await playThroughProxy(script, options)
  if (problem?.type === 'no-session' || problem?.type === 'no-login') {
    note(`postern: ${problem.text}`)
    const cure = problem.type === 'no-login' ? WRONG_CREDENTIALS : (failure?.hint ?? null)
    if (cure !== null) note(`postern: ${cure}`)
    return problem.type === 'no-login' ? EXIT_CODES.failure : EXIT_CODES.upstream
  }
  if (options.send !== undefined) return printAnswers(played, options.send.length)
  if (problem !== null) note(`postern: the play ended early: ${failure?.text ?? problem.text}`)
  const compared = comparable(record, played, script)
  const lines = differenceOf(compared.recorded, compared.played)
  process.stdout.write(differenceText(lines, options.all === true))
  const alike = isAlike(lines) && problem === null
  note(
    alike
      ? 'postern: the server answered as recorded'
      : 'postern: the server answered otherwise than recorded',
  )
  return alike ? EXIT_CODES.success : EXIT_CODES.failure
}

/** What the server said to one's own commands, which are the last before QUIT. */
async function printAnswers(played: Recorded, count: number): Promise<ExitCode> {
  const { exchangesOf, statusLineText } = await import('../sessions/exchanges.js')
  const { removeByteStuffing } = await import('../pop3/encoder.js')
  const { decodeText, safeText } = await import('../trace/safe-text.js')
  const own = exchangesOf(played)
    .filter(({ verb }, index, all) => !(verb === 'QUIT' && index === all.length - 1))
    .slice(-count)
  for (const { shown, reply, content } of own) {
    process.stdout.write(`C> ${shown}\n<S ${reply === null ? '(no answer)' : statusLineText(reply)}\n`)
    if (content === null) continue
    const lines = content.wire === null ? [] : decodeText(removeByteStuffing(content.wire)).split('\r\n')
    process.stdout.write(lines.map((line) => `${safeText(line, LINE_CODE_POINTS)}\n`).join(''))
  }
  return own.every(({ reply }) => reply?.indicator === '+OK') ? EXIT_CODES.success : EXIT_CODES.failure
}

/** A line of mail may be long; nobody reads more of it on a terminal. */
const LINE_CODE_POINTS = 2_000

const WRONG_CREDENTIALS = `nothing was compared; check --user, and the password in --password-file or ${PASSWORD_VARIABLE}`

async function scriptOf(record: Recorded, options: ReplayOptions) {
  const { clientScript, ReplayError } = await import('../replay/client-script.js')
  try {
    return clientScript(record, {
      credentials: await credentials(record.user, options),
      deletes: options.deletions === true,
      instead: options.send ?? null,
    })
  } catch (error) {
    throw error instanceof ReplayError ? new UsageError(error.message) : error
  }
}

async function credentials(recorded: string | null, options: ReplayOptions) {
  const { Secret, REDACTED } = await import('../pop3/secret.js')
  const file = options.passwordFile
  const text = file === undefined ? process.env.POSTERN_REPLAY_PASSWORD : firstLine(file)
  if (text === undefined || text === '') return null
  const user = options.user ?? recorded
  if (user === null || user === REDACTED) {
    throw new UsageError('the recording does not name the account: say which with --user')
  }
  return { user, password: new Secret(Buffer.from(text, 'utf8')) }
}

function firstLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? ''
  } catch (error) {
    throw new UsageError(`--password-file: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const REPLAY_HELP = `
Examples:
  $ postern replay --as-server session.jsonl
      then point the client under test at 127.0.0.1, port 1110; it may log in with any password
  $ postern replay --as-client session.jsonl -u pop3s://pop.example.org --password-file secret.txt
      what the server answers today, compared with the recording
  $ postern replay --as-client session.jsonl -u pop3s://pop.example.org --send 'TOP 1 0' --send UIDL
      logs in as recorded, then gives commands of your own (the password is in POSTERN_REPLAY_PASSWORD)

Record with the content of messages (--write-messages) to have them served. Exit status as client: 0
where the server answered as recorded, 1 where it did not, 6 where it could not be used.`
