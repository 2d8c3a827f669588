/**
 * Real judges for one test file: clamd, rspamd and spamd, each in a fresh directory, on a free port of loopback, with
 * a few rules of the tests' own. Owns their configuration and their life. They ask nobody on the network and need no
 * downloaded signatures or rules. Run as root or as whoever runs the tests.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './real.js'
import { freePorts, signalGroup, type TemporaryDirectory, temporaryDirectory, until } from './tools.js'

/** The harmless file that every virus scanner knows by agreement; here a signature of the tests' own finds it. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join(
  '',
)
/** What clamd calls it; it adds the suffix to every signature that ClamAV did not make. */
export const EICAR_SIGNATURE = 'Postern.Test.Eicar.UNOFFICIAL'
/** The text that every spam filter takes for spam by agreement. */
export const GTUBE = ['XJS*C4JDBQADN1.NSBN3*2IDNEN*', 'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL', '*C.34X'].join('')
/** A subject with this word is spam to rspamd (score 8.5, `add header`) and spamd (score 6.5) by {@link SPAM_RULE}. */
export const SPAM_WORD = 'postern-spam'
/** The name that both give to the rule. */
export const SPAM_RULE = 'POSTERN_WORD'

/** What {@link startClamd} lets through INSTREAM. */
export const CLAMD_STREAM_OCTETS = 5 * 1_048_576

/** A daemon that runs. */
export interface Daemon {
  readonly port: number
  readonly pid: number
  /** What it has printed, for the message of a failed test. */
  log(): string
  /** Sends a signal to it and to all its children: `SIGSTOP`, `SIGCONT`, `SIGKILL`. */
  signal(signal: NodeJS.Signals): void
  /** Ends it, whatever state it is in, and resolves once it is gone. */
  stop(): Promise<void>
}

export interface Clamd extends Daemon {
  readonly address: { readonly host: string; readonly port: number }
  /** Path of the Unix socket on which it listens as well. */
  readonly path: string
}

export interface Rspamd extends Daemon {
  readonly url: string
}

export interface Spamd extends Daemon {
  readonly address: { readonly host: string; readonly port: number }
}

// A loaded machine that starts three of them at the same time, each of which compiles its rules.
const PATIENCE_MS = 60_000

/**
 * Starts clamd with one signature, for {@link EICAR}, and resolves once it answers PING.
 *
 * @param at the port, for one that comes back after its death; any free one by default
 * @param streamOctets the largest message that it takes
 */
export async function startClamd(
  at: number | null = null,
  streamOctets: number = CLAMD_STREAM_OCTETS,
): Promise<Clamd> {
  const [free = 0] = at === null ? await freePorts(1) : []
  const port = at ?? free
  const directory = temporaryDirectory('clamd')
  const database = join(directory.path, 'database')
  mkdirSync(database)
  // Name, any kind of file, anywhere in it, the octets: the format that needs nothing but a line. A clamd without any
  // signature does not start.
  writeFileSync(
    join(database, 'postern.ndb'),
    `Postern.Test.Eicar:0:*:${Buffer.from(EICAR).toString('hex')}\n`,
  )
  const path = join(directory.path, 'clamd.sock')
  const configuration = join(directory.path, 'clamd.conf')
  writeFileSync(
    configuration,
    `Foreground yes
TCPSocket ${port}
TCPAddr 127.0.0.1
LocalSocket ${path}
DatabaseDirectory ${database}
TemporaryDirectory ${directory.path}
StreamMaxLength ${streamOctets}
MaxScanSize 400M
MaxFileSize ${streamOctets}
SelfCheck 0
LogTime yes
LogVerbose yes
`,
  )
  const daemon = await start(
    'clamd',
    [`--config-file=${configuration}`],
    port,
    directory,
    async () => (await say(port, 'zPING\0')) === 'PONG\0',
  )
  return { ...daemon, address: { host: '127.0.0.1', port }, path }
}

/** Starts one worker of rspamd that knows GTUBE and {@link SPAM_RULE}, and resolves once it answers. */
export async function startRspamd(): Promise<Rspamd> {
  const [port = 0] = await freePorts(1)
  const directory = temporaryDirectory('rspamd')
  const configuration = join(directory.path, 'rspamd.conf')
  // The list of top-level domains that comes with rspamd takes ten seconds to be compiled.
  writeFileSync(join(directory.path, 'domains.dat'), 'com\nnet\norg\n')
  // No modules are loaded, so nothing asks the network; a name server that is none makes sure.
  writeFileSync(
    configuration,
    `options {
  pidfile = "${directory.path}/rspamd.pid";
  filters = "regexp";
  cache_file = "${directory.path}/symbols.cache";
  control_socket = "${directory.path}/control.sock mode=0600";
  url_tld = "${directory.path}/domains.dat";
  hs_cache_dir = "${directory.path}";
  tempdir = "${directory.path}";
  disable_hyperscan = true;
  gtube_patterns = "all";
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "console"; level = "notice"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; mime = true; }
actions { reject = 15; add_header = 6; greylist = 4; }
regexp { ${SPAM_RULE} { re = 'Subject=/${SPAM_WORD}/H'; score = 8.5; } }
`,
  )
  // Its scripts lie where the package put them; -i lets root start it.
  const args = ['-f', '-i', '-c', configuration]
  const url = `http://127.0.0.1:${port}`
  const daemon = await start('rspamd', args, port, directory, async () => {
    const answer = await say(port, 'GET /ping HTTP/1.0\r\n\r\n')
    return answer.includes('pong')
  })
  return { ...daemon, url }
}

/** Starts spamd with two rules, GTUBE and {@link SPAM_RULE}, and resolves once it answers PING. */
export async function startSpamd(): Promise<Spamd> {
  const [port = 0] = await freePorts(1)
  const directory = temporaryDirectory('spamd')
  const below = (name: string) => join(directory.path, name)
  for (const name of ['rules', 'site', 'home']) mkdirSync(below(name))
  writeFileSync(
    below('rules/postern.cf'),
    `body GTUBE /${escaped(GTUBE)}/
score GTUBE 1000
header ${SPAM_RULE} Subject =~ /${SPAM_WORD}/
score ${SPAM_RULE} 6.5
`,
  )
  // Without any other module nothing asks the network or keeps statistics.
  writeFileSync(below('site/init.pre'), 'loadplugin Mail::SpamAssassin::Plugin::Check\n')
  chmodSync(directory.path, 0o755)
  const args = [
    '--local',
    '--nouser-config',
    `--configpath=${below('rules')}`,
    `--siteconfigpath=${below('site')}`,
    `--helper-home-dir=${below('home')}`,
    '--listen=127.0.0.1',
    `--port=${port}`,
    '--max-children=4',
    '--min-children=1',
    '--syslog=stderr',
    `--pidfile=${below('spamd.pid')}`,
  ]
  // Its children refuse to work as root.
  if (userInfo().uid === 0) {
    args.push('--username=nobody')
    const { uid, gid } = nobody()
    chownSync(below('home'), uid, gid)
  }
  const daemon = await start('spamd', args, port, directory, async () =>
    (await say(port, 'PING SPAMC/1.5\r\n\r\n')).includes('PONG'),
  )
  return { ...daemon, address: { host: '127.0.0.1', port } }
}

async function start(
  name: string,
  args: readonly string[],
  port: number,
  directory: TemporaryDirectory,
  isReady: () => Promise<boolean>,
): Promise<Daemon> {
  const program = findProgram(name)
  if (program === null) throw new Error(`${name} is not installed; ask realThing() before starting it`)
  // A process group of its own: a signal for the daemon is one for its children too.
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed: Buffer[] = []
  child.stdout.on('data', (octets: Buffer) => printed.push(octets))
  child.stderr.on('data', (octets: Buffer) => printed.push(octets))
  const log = (): string => Buffer.concat(printed).toString()
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve())
    child.on('exit', () => resolve())
  })
  const stop = async (): Promise<void> => {
    await end(child, ended)
    directory.remove()
  }
  try {
    await until(
      `${name} to answer`,
      async () => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
          throw new Error(`${name} did not start`)
        }
        return await isReady()
      },
      PATIENCE_MS,
    )
  } catch (error) {
    await stop()
    throw new Error(`${error instanceof Error ? error.message : error}; it printed:\n${log().slice(-4_000)}`)
  }
  return { port, pid: child.pid ?? 0, log, signal: (signal) => signalGroup(child, signal), stop }
}

/** SIGTERM first, so that it puts its files away; one that is stopped gets it once it runs on. */
async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  signalGroup(child, 'SIGCONT')
  signalGroup(child, 'SIGTERM')
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), 5_000)
  if (child.exitCode === null && child.signalCode === null) await ended
  clearTimeout(timer)
  // Children that outlived it.
  signalGroup(child, 'SIGKILL')
}

/** Says something on a connection of its own, and gives what was answered until its end; nothing where it failed. */
async function say(port: number, words: string): Promise<string> {
  return await new Promise((resolve) => {
    const pieces: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(words))
    const done = (): void => {
      socket.destroy()
      resolve(Buffer.concat(pieces).toString())
    }
    socket.setTimeout(5_000, done)
    socket.on('data', (octets) => pieces.push(octets))
    socket.on('end', done)
    socket.on('error', done)
  })
}

function escaped(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/g, '\\$&')
}

function nobody(): { uid: number; gid: number } {
  const found = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (found === null) throw new Error('this system has no user "nobody" for a test spamd')
  return { uid: Number(found[1]), gid: Number(found[2]) }
}
