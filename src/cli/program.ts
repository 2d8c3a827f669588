/**
 * The command line: which commands there are, what their help says, which module does the work. Modules are loaded
 * when their command runs, so that `postern --help` is quick.
 */
import { Command, CommanderError, Help, Option } from 'commander'
import { nearest } from '../config/problem.js'
import type { AttachOptions } from './attach.js'
import { registerCa } from './ca.js'
import { registerDiff } from './diff.js'
import type { DumpOptions } from './dump.js'
import { EXIT_CODES, EXIT_CODES_HELP, type ExitCode } from './exit-codes.js'
import { registerExport } from './export.js'
import { describeFailure, exitCodeOf, UsageError } from './failure.js'
import {
  addConfigOption,
  addInterceptOption,
  addSharedOptions,
  type RunOptions,
  type SharedOptions,
} from './options.js'
import { registerQuarantine } from './quarantine.js'
import { registerRead } from './read.js'
import { registerReplay } from './replay.js'
import { registerRules } from './rules.js'
import { guardStandardStreams } from './standard-streams.js'
import { VERSION } from './version.js'

/** Takes the exit status of a command that ran. */
type Report = (code: ExitCode) => void

const HELP_WIDTH = 100

/**
 * Runs one command line.
 *
 * @param arguments_ without the names of node and program
 * @returns the exit status; never rejects, what went wrong is on stderr
 */
export async function main(arguments_: readonly string[]): Promise<ExitCode> {
  guardStandardStreams()
  let code: ExitCode = EXIT_CODES.success
  const program = createProgram((reported) => {
    code = reported
  })
  try {
    if (arguments_.length === 0) {
      await loadInStages()
      const { runOrDemo } = await import('./run.js')
      return await runOrDemo()
    }
    refuseUnknownCommand(program, arguments_)
    await program.parseAsync([...arguments_], { from: 'user' })
    return code
  } catch (error) {
    // Commander has printed its message already; help and version are no mistakes.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.success : EXIT_CODES.usage
    process.stderr.write(describeFailure(error))
    return exitCodeOf(error)
  }
}

/** Puts all commands together; `report` receives the exit status of the one that runs. */
export function createProgram(report: Report): Command {
  const program = new Command('postern')
  program
    .description('A POP3 proxy and traffic inspector: secures old mail programs, shows sessions live.')
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print help for a command')
    .configureHelp({ helpWidth: HELP_WIDTH, showGlobalOptions: false, optionDescription: describeOption })
    .exitOverride()
    .addHelpText('after', ROOT_HELP)
  addRun(program, report)
  addDump(program, report)
  addAttach(program, report)
  addDemo(program, report)
  addConfig(program, report)
  addDoctor(program, report)
  registerRead(program, report)
  registerExport(program, report)
  registerReplay(program, report)
  registerDiff(program, report)
  registerRules(program, report)
  registerQuarantine(program, report)
  registerCa(program)
  return program
}

function addRun(program: Command, report: Report): void {
  addInterceptOption(addSharedOptions(program.command('run', { isDefault: true })))
    .summary('run the proxy; what postern does when no command is named')
    .description(
      'Accepts POP3 clients and speaks for them with a server. On a terminal it opens the dashboard.',
    )
    .option('--headless', 'never open the dashboard: the log goes to stdout')
    .addHelpText('after', RUN_HELP)
    .action(async (options: RunOptions) => {
      await loadInStages()
      const { run } = await import('./run.js')
      report(await run(options))
    })
}

function addDump(program: Command, report: Report): void {
  addInterceptOption(addSharedOptions(program.command('dump')))
    .argument('[filter]', 'only events for which this expression holds, or that contain these words')
    .option('-f, --filter <filter>', 'the same as an option')
    .summary('run the proxy and print a line for each command and reply')
    .description(
      'Like run, printing one line for each command and reply. Passwords and everything else that is secret in a login are left out.',
    )
    .addHelpText('after', DUMP_HELP)
    .action(async (filter: string | undefined, options: DumpOptions) => {
      await loadInStages()
      const { dump } = await import('./dump.js')
      report(await dump(filter, options))
    })
}

function addAttach(program: Command, report: Report): void {
  program
    .command('attach')
    .summary('look at a postern that runs already')
    .argument('[socket]', 'its control socket (default: that of the only one that runs)')
    .description(
      'Opens the dashboard of a running postern. Several may look at one; leaving changes nothing for it.',
    )
    .option('-f, --filter <filter>', 'show only sessions for which this holds')
    .addOption(new Option('--inherited', 'over a pipe of the postern that started it').hideHelp())
    .addHelpText('after', ATTACH_HELP)
    .action(async (socket: string | undefined, options: AttachOptions) => {
      const { attach } = await import('./attach.js')
      report(await attach(socket, options))
    })
}

function addDemo(program: Command, report: Report): void {
  program
    .command('demo')
    .summary('try it: a sample server, the proxy before it and a client, all on this machine')
    .description(
      'Runs a server with sample mail, postern before it and a client that fetches now and then. Everything is on loopback and in memory.',
    )
    .option('--log-level <level>', 'how much the log says (default: info)')
    .option('--headless', 'never open the dashboard: the log goes to stdout')
    .option('--control <socket>', 'socket for "postern attach", or none')
    .addHelpText('after', DEMO_HELP)
    .action(async (options: RunOptions) => {
      await loadInStages()
      const { demo } = await import('./demo.js')
      report(await demo(options))
    })
}

function addConfig(program: Command, report: Report): void {
  const config = program
    .command('config')
    .summary('check, print or describe the configuration')
    .description('What a configuration says, before anything runs with it.')
    .addHelpText('after', CONFIG_HELP)
  addConfigOption(config.command('check'))
    .argument('[file]', 'the file to check (default: those that run would read)')
    .description('Names every mistake with its line. Exit status 0 for a valid configuration, 3 for another.')
    .action(async (file: string | undefined, options: SharedOptions) => {
      const { checkConfig } = await import('./config.js')
      report(await checkConfig(file, options))
    })
  addSharedOptions(config.command('print'))
    .description('Prints the settings that run would use with the same options, each with its origin.')
    .option('--defaults', 'print what postern assumes where nothing is said, and nothing else')
    .action(async (options: SharedOptions & { readonly defaults?: boolean }) => {
      const { printConfig } = await import('./config.js')
      report(await printConfig(options))
    })
  config
    .command('schema')
    .description('Prints the JSON Schema of configuration files, for editors.')
    .action(async () => {
      const { printSchema } = await import('./config.js')
      report(await printSchema())
    })
}

function addDoctor(program: Command, report: Report): void {
  addSharedOptions(program.command('doctor'))
    .summary('check ports, authority, server and clock, each with the cure')
    .description(
      'Checks everything a start depends on: ports, authority, the way to the server, its certificate and capabilities, the clock, Node. Changes nothing and logs in nowhere.',
    )
    .addHelpText('after', DOCTOR_HELP)
    .action(async (options: SharedOptions) => {
      const { doctor } = await import('./doctor.js')
      report(await doctor(options))
    })
}

/**
 * Loads what has the most files piece by piece. Node 20 opens all files of a module graph side by side: where the
 * system allows some hundred descriptors, everything at once is too much.
 */
async function loadInStages(): Promise<void> {
  await import('zod')
  await import('../expression/filter.js')
  await import('../config/load.js')
  await import('../proxy/proxy.js')
}

/** Without this, a mistyped command would be an argument of `run`, which has none. */
function refuseUnknownCommand(program: Command, arguments_: readonly string[]): void {
  const [first = ''] = arguments_
  const known = ['help', ...program.commands.map((command) => command.name())]
  if (first === '' || first.startsWith('-') || known.includes(first)) return
  const guess = nearest(first, known)
  const hint = guess === null ? `postern knows ${known.join(', ')}` : `did you mean ${guess}?`
  throw new UsageError(`unknown command ${JSON.stringify(first)} (${hint})`)
}

/** Commander adds "(default: true)" to every `--no-` option, which says nothing. */
function describeOption(option: Parameters<Help['optionDescription']>[0]): string {
  return option.negate ? option.description : new Help().optionDescription(option)
}

const ROOT_HELP = `
Examples:
  $ postern                                   the configuration that is found, else the demo
  $ postern --upstream pop3s://pop.example.org
                                              clients log in at pop3://127.0.0.1:1110
  $ postern dump -u pop3s://pop.example.org   see what a mail program says
  $ postern doctor -u pop3s://pop.example.org find out why something does not work
  $ postern config check postern.yaml

Configuration, the last wins: /etc/postern/postern.yaml, $XDG_CONFIG_HOME/postern/postern.yaml,
./postern.yaml (or only the file of --config or POSTERN_CONFIG), POSTERN_LOG_LEVEL, options.

${EXIT_CODES_HELP}`

const RUN_HELP = `
Examples:
  $ postern run -u pop3s://pop.example.org
      An old mail program uses POP3 server 127.0.0.1, port 1110, without encryption;
      what leaves this machine is encrypted and verified.
  $ postern run -l pop3s://0.0.0.0:1995 -l pop3://127.0.0.1:1110 -u pop3+stls://mail.example.org
      Two ways in. The certificate toward clients comes from the local authority (postern ca).
  $ postern run -l pop3s://[::]:995 --cert fullchain.pem --key key.pem -u pop3://10.0.0.5
      A certificate of your own before a server that has none.
  $ postern run -u pop3s://pop.example.org -i 'command == "DELE"' -i 'reply: user == "bob"'
      Holds every DELE, and every reply to bob, until somebody decides in the dashboard. What is held are
      messages where the filter names subject, from, to, date, header, attachments, size or unique_id,
      replies where it names indicator, response_code, text or after, and commands otherwise; before a
      colon it can be named. After two minutes it goes on by itself.
  $ postern run -c office.yaml
      Several services, limits and everything else in one file.

Options about listeners and server override a configuration with one service. With several they are
refused, since they could not say which one they mean.

Signals: SIGTERM and SIGINT end it when replies in flight are done, a second one at once. SIGHUP reads
configuration and certificates again; a bad file is refused and the old one stays.

${EXIT_CODES_HELP}`

const DUMP_HELP = `
Examples:
  $ postern dump -u pop3s://pop.example.org
  $ postern dump -u pop3s://pop.example.org 'errors > 0'
  $ postern dump -u pop3s://pop.example.org 'command == "RETR" && user == "bob"'

C> is a command of the client, <S what the server answers, <P what postern answers itself, ** the rest.`

const ATTACH_HELP = `
Examples:
  $ postern attach                            the only postern that runs
  $ postern attach /run/postern/control.sock  started with --control /run/postern/control.sock

Only who runs postern may attach. Killing the dashboard changes nothing for the sessions.`

const DEMO_HELP = `
Examples:
  $ postern demo
  $ curl pop3://127.0.0.1:1110/1 -u demo:demo      (in another terminal)`

const CONFIG_HELP = `
Examples:
  $ postern config check postern.yaml
  $ postern config print                      what would be used, and where each value came from
  $ postern config print --defaults > postern.yaml
  $ postern config schema > postern.schema.json
      Then "# yaml-language-server: $schema=postern.schema.json" as the first line of postern.yaml
      lets an editor complete and check it.`

const DOCTOR_HELP = `
Examples:
  $ postern doctor                            everything that the configuration names
  $ postern doctor -u pop3s://pop.example.org

Each line begins with ok, warn or fail. Exit status 6 where a server cannot be used, 1 where something
else failed.`
