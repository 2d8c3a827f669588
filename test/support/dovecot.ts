/**
 * A real Dovecot of its own for one test file: fresh directory, fresh ports, maildrops filled octet for octet.
 * Owns its configuration and its life. Runs as root with the maildrops under an unprivileged user, or as whoever
 * runs the tests.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './real.js'
import { freePorts, temporaryDirectory, until } from './tools.js'

/** A certificate chain and its key, as PEM files. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface DovecotOptions {
  /** What the server shows on STLS and POP3S; null starts it without any TLS, so without STLS in CAPA too. */
  readonly certificate: CertificateFiles | null
  /** Which of the two listeners exist; both by default. */
  readonly listeners?: readonly ('pop3' | 'pop3s')[]
  /** Mechanisms in Dovecot's spelling; by default all that this Dovecot can do with clear passwords. */
  readonly mechanisms?: string
}

/** Somebody who can log in, and what the maildrop holds. */
export interface Account {
  readonly user: string
  readonly password: string
}

export interface Dovecot {
  /** Port of the plain listener, which offers STLS; 0 where it was not asked for. */
  readonly plainPort: number
  /** Port of the POP3S listener; 0 where it was not asked for. */
  readonly tlsPort: number
  /** Opens an account whose maildrop holds these messages, in this order, octet for octet. */
  openAccount(mails: readonly Buffer[]): Account
  /** Adds messages behind those that an account was opened with. */
  deliver(account: Account, mails: readonly Buffer[]): void
  /** What remains in a maildrop, in its order. */
  mailOf(account: Account): readonly Buffer[]
  /**
   * Resolves once every session of an account has ended at the server, by its own log: only then is it certain
   * what a session has done to the maildrop. Rejects where one goes on for ten seconds.
   */
  settled(account: Account): Promise<void>
  /** The server's log, for the message of a failed test. */
  log(): string
  stop(): Promise<void>
}

/** Accounts exist from the start: Dovecot looks at its list of users at most once a second. */
const ACCOUNTS = 400

const MECHANISMS = 'plain login cram-md5 scram-sha-1 scram-sha-256 apop'

/** Starts a Dovecot 2.3 and resolves once it answers on every listener. */
export async function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  const program = findProgram('dovecot')
  if (program === null) throw new Error('dovecot is not installed; ask realThing() before starting it')

  const directory = temporaryDirectory('dovecot')
  const logFile = join(directory.path, 'dovecot.log')
  const mailOwner = ownerOfMail()
  const listeners = options.listeners ?? ['pop3', 'pop3s']
  const [freePlain = 0, freeTls = 0] = await freePorts(2)
  const plainPort = listeners.includes('pop3') ? freePlain : 0
  const tlsPort = listeners.includes('pop3s') && options.certificate !== null ? freeTls : 0

  // The login process runs as somebody else and has to reach its sockets below this directory.
  chmodSync(directory.path, 0o755)
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => ({
    user: `user${index + 1}`,
    password: `secret-of-${index + 1}`,
  }))
  writeFileSync(
    join(directory.path, 'users'),
    accounts.map(({ user, password }) => `${user}:{PLAIN}${password}\n`).join(''),
  )
  const configuration = join(directory.path, 'dovecot.conf')
  writeFileSync(configuration, configurationFile(directory.path, plainPort, tlsPort, options, mailOwner))

  const child = spawn(program, ['-c', configuration, '-F'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const stderr: Buffer[] = []
  child.stderr?.on('data', (octets: Buffer) => stderr.push(octets))
  const log = () => `${Buffer.concat(stderr).toString()}${readLog(logFile)}`
  try {
    await until('dovecot to listen', async () => {
      if (child.exitCode !== null) throw new Error(`dovecot did not start:\n${log()}`)
      const answers = await Promise.all([plainPort, tlsPort].map((port) => port === 0 || isOpen(port)))
      return answers.every((answer) => answer)
    })
  } catch (error) {
    await stop(child)
    directory.remove()
    throw error
  }

  const free = accounts.values()
  const delivered = new Map<string, number>()
  const home = (account: Account) => join(directory.path, 'mail', account.user)

  function deliver(account: Account, mails: readonly Buffer[]): void {
    const before = delivered.get(account.user) ?? 0
    mails.forEach((mail, index) => {
      // The name orders the maildrop and, by pop3_uidl_format, is the unique-id: the same in equal maildrops.
      const name = `1700000000.M${String(before + index + 1).padStart(6, '0')}.postern`
      const path = join(home(account), 'new', name)
      writeFileSync(path, mail)
      giveTo(path, mailOwner)
    })
    delivered.set(account.user, before + mails.length)
  }

  return {
    plainPort,
    tlsPort,
    log,
    deliver,
    openAccount(mails) {
      const next = free.next()
      if (next.done === true) throw new Error(`a test Dovecot has ${ACCOUNTS} accounts and all are in use`)
      for (const folder of ['', 'cur', 'new', 'tmp']) {
        const path = join(home(next.value), folder)
        mkdirSync(path, { recursive: true })
        giveTo(path, mailOwner)
      }
      deliver(next.value, mails)
      return next.value
    },
    mailOf(account) {
      return ['cur', 'new']
        .flatMap((folder) =>
          readdirSync(join(home(account), folder)).map((name) => ({
            name,
            path: join(home(account), folder, name),
          })),
        )
        .sort((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ path }) => readFileSync(path))
    },
    async settled({ user }) {
      await until(
        `the sessions of ${user} to end at the server`,
        () => loginsOf(user, log()) === endingsOf(user, log()),
      )
    },
    async stop() {
      await stop(child)
      directory.remove()
    },
  }
}

interface Owner {
  readonly name: string
  readonly group: string
  readonly uid: number
  readonly gid: number
  readonly isRoot: boolean
}

/** Root gives the mail to nobody, since Dovecot refuses to read mail as root; anyone else keeps it. */
function ownerOfMail(): Owner {
  const { uid, gid, username } = userInfo()
  if (uid !== 0) return { name: username, group: String(gid), uid, gid, isRoot: false }
  const nobody = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (nobody === null) throw new Error('this system has no user "nobody" to own the mail of a test Dovecot')
  return { name: 'nobody', group: nobody[2]!, uid: Number(nobody[1]), gid: Number(nobody[2]), isRoot: true }
}

function giveTo(path: string, owner: Owner): void {
  if (owner.isRoot) chownSync(path, owner.uid, owner.gid)
}

function configurationFile(
  directory: string,
  plainPort: number,
  tlsPort: number,
  options: DovecotOptions,
  owner: Owner,
): string {
  const tls =
    options.certificate === null
      ? 'ssl = no'
      : `ssl = yes\nssl_cert = <${options.certificate.certFile}\nssl_key = <${options.certificate.keyFile}`
  // Without root nothing can change user or root directory.
  const unprivileged = owner.isRoot
    ? ''
    : `default_login_user = ${owner.name}
default_internal_user = ${owner.name}
default_internal_group =
service anvil {
  chroot =
}`
  return `
protocols = pop3
base_dir = ${directory}/run
state_dir = ${directory}/state
instance_name = ${directory.replace(/^.*\//, '')}
log_path = ${directory}/dovecot.log
listen = 127.0.0.1
${tls}
disable_plaintext_auth = no
auth_mechanisms = ${options.mechanisms ?? MECHANISMS}
auth_failure_delay = 0
mail_location = maildir:%h
mail_max_userip_connections = 0
# The name of the file is the unique-id, so that equal maildrops have equal listings.
pop3_uidl_format = %f
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${directory}/users
}
userdb {
  driver = static
  args = uid=${owner.uid} gid=${owner.gid} home=${directory}/mail/%u
}
first_valid_uid = 0
first_valid_gid = 0
service pop3-login {
  ${owner.isRoot ? '' : 'chroot ='}
  inet_listener pop3 {
    port = ${plainPort}
  }
  inet_listener pop3s {
    port = ${tlsPort}
    ssl = ${options.certificate === null ? 'no' : 'yes'}
  }
}
service anvil {
  # No delays for an address from which logins failed: failing is what some tests are about.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
${unprivileged}
`
}

function loginsOf(user: string, log: string): number {
  return log.split(`pop3-login: Info: Login: user=<${user}>`).length - 1
}

function endingsOf(user: string, log: string): number {
  return log
    .split('\n')
    .filter((line) => line.includes(` pop3(${user})<`) && line.includes(': Info: Disconnected')).length
}

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

async function isOpen(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.on('close', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await ended
  clearTimeout(timer)
}
