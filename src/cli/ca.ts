/**
 * `postern ca`: the local authority made, shown, exported, and asked for a certificate to take elsewhere. Owns
 * the wording; the work is done in `tls/`, which is loaded when a command runs.
 */
import type { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import type { Authority } from '../tls/authority.js'
import { UsageError } from './failure.js'
import { stateDirectory } from './state-directory.js'

interface DirectoryOption {
  readonly dir?: string
}

interface InitOptions extends DirectoryOption {
  readonly force?: boolean
  readonly constrainTo?: readonly string[]
}

interface ExportOptions extends DirectoryOption {
  readonly format: 'pem' | 'der' | 'p12'
  readonly out?: string
  readonly withKey?: boolean
  readonly passwordFile?: string
  readonly force?: boolean
}

interface LeafOptions extends DirectoryOption {
  readonly out: string
  readonly ec?: boolean
  readonly force?: boolean
}

/**
 * The folder of the local authority where nobody names one: `./certs` where it exists, else the folder that the
 * service manager keeps for us, else that of the user.
 *
 * @returns an absolute path, which need not exist
 */
export function defaultAuthorityDirectory(): string {
  const here = resolve('certs')
  if (existsSync(here) && statSync(here).isDirectory()) return here
  return stateDirectory()
}

/** Adds `ca` and the commands below it. */
export function registerCa(program: Command): void {
  const ca = program
    .command('ca')
    .summary('make, show and export the local authority')
    .description('The local authority, which signs certificates for mail programs to trust.')
    .addHelpText('after', CA_HELP)

  withDirectory(ca.command('init'))
    .description('Makes the local authority.')
    .option('--force', 'replace the one that is there; clients must install the new one')
    .option(
      '--constrain-to <name>',
      'domain (with all names below it) or IP address beyond which clients must not believe it, can be repeated',
      (name: string, names: readonly string[] = []) => [...names, name],
    )
    .addHelpText('after', INIT_HELP)
    .action(init)
  withDirectory(ca.command('show'))
    .description('Prints the fingerprint, the validity, and how to install and remove the certificate.')
    .addHelpText('after', `\nExample:\n  $ postern ca show | head -8`)
    .action(show)
  withDirectory(ca.command('export'))
    .description('Writes the certificate of the authority, without its key unless asked for it.')
    .addOption(
      new Option(
        '--format <format>',
        'pem (most programs), der (Windows, Android), p12 (programs that want a bundle)',
      )
        .choices(['pem', 'der', 'p12'])
        .default('pem'),
    )
    .option('--out <file>', 'write to this file instead of stdout')
    .option('--with-key', 'put the private key in as well: whoever has it can pose as every server')
    .option('--password-file <file>', 'first line is the password of a p12 file; without it you are asked')
    .option('--force', 'replace the file if it exists')
    .addHelpText('after', EXPORT_HELP)
    .action(exportAuthority)
  withDirectory(ca.command('leaf'))
    .description('Writes a certificate and key for a server, signed by the authority.')
    .argument('<name...>', 'host names and IP addresses that the certificate shall carry')
    .option('--out <directory>', 'folder for the two files', '.')
    .option('--ec', 'make a P-256 key instead of RSA-2048: faster, but unknown to very old programs')
    .option('--force', 'replace the files if they exist')
    .addHelpText('after', LEAF_HELP)
    .action(leaf)
}

function withDirectory(command: Command): Command {
  return command.option('--dir <directory>', `folder of the authority (default: ${DEFAULT_DIRECTORY_HELP})`)
}

async function init(options: InitOptions): Promise<void> {
  const directory = directoryOf(options)
  const { AUTHORITY_KEY_FILE, createAuthority } = await import('../tls/authority.js')
  const authority = createAuthority(directory, {
    constrainTo: options.constrainTo ?? [],
    existing: options.force === true ? 'replace' : 'keep',
  })
  print(`Made a local authority in ${directory}`)
  print(describe(authority))
  print(`Its private key is in ${join(directory, AUTHORITY_KEY_FILE)}: keep that file to yourself.`)
  print('Mail programs that speak TLS to postern have to trust it. How: postern ca show')
}

async function show(options: DirectoryOption): Promise<void> {
  const directory = directoryOf(options)
  const { AUTHORITY_CERTIFICATE_FILE, loadAuthority } = await import('../tls/authority.js')
  const { shellWord } = await import('../tls/certificate-error.js')
  const authority = loadAuthority(directory)
  print(`The local authority in ${directory}`)
  print(describe(authority))
  print(trustHelp(shellWord(join(directory, AUTHORITY_CERTIFICATE_FILE)), authority.certificate))
}

async function exportAuthority(options: ExportOptions): Promise<void> {
  if (options.withKey === true && options.format === 'der')
    throw new UsageError('--with-key goes with --format pem or p12: a DER file holds one thing')
  if (options.passwordFile !== undefined && options.format !== 'p12')
    throw new UsageError('--password-file goes with --format p12: nothing else has a password')
  if (options.withKey === true && options.out === undefined && process.stdout.isTTY)
    throw new UsageError('--with-key would print the private key on this terminal: name a file with --out')
  if (options.format !== 'pem' && options.out === undefined && process.stdout.isTTY)
    throw new UsageError(`--format ${options.format} is binary: name a file with --out`)
  const { loadAuthority } = await import('../tls/authority.js')
  const contents = await encode(loadAuthority(directoryOf(options)), options)
  if (options.out === undefined) {
    process.stdout.write(contents)
    return
  }
  const { createFile } = await import('../tls/key-file.js')
  const file = resolve(options.out)
  createFile(
    file,
    contents,
    options.withKey === true ? 0o600 : 0o644,
    options.force === true ? 'replace' : 'keep',
  )
  print(
    options.withKey === true
      ? `Wrote ${file}. It holds the private key: delete it when it has served.`
      : `Wrote ${file}`,
  )
}

async function encode(authority: Authority, options: ExportOptions): Promise<string | Buffer> {
  if (options.format === 'der') return authority.certificate.raw
  const keyPem =
    options.withKey === true ? authority.key.export({ type: 'pkcs8', format: 'pem' }).toString() : null
  if (options.format === 'pem') return (keyPem ?? '') + authority.certificatePem
  if (keyPem !== null && authority.key.asymmetricKeyType !== 'rsa')
    throw new UsageError('--format p12 takes RSA keys only: export as pem and use openssl pkcs12')
  const { writePkcs12 } = await import('../tls/write-certificate.js')
  return writePkcs12(authority.certificatePem, keyPem, await readPassword(options))
}

async function leaf(names: readonly string[], options: LeafOptions): Promise<void> {
  const { certificateName, printable } = await import('../tls/names.js')
  const wanted = names.map((text) => {
    const name = certificateName(text)
    if (name !== null) return name
    throw new UsageError(
      `"${printable(text)}" is neither a host name nor an IP address (wildcards are not minted)`,
    )
  })
  const [first = ''] = wanted
  const { loadAuthority } = await import('../tls/authority.js')
  const authority = loadAuthority(directoryOf(options))
  const stranger = wanted.find((name) => !authority.permits(name))
  if (stranger !== undefined)
    throw new UsageError(
      `the authority is constrained to ${authority.constrainedTo?.join(', ')}: not for ${stranger}`,
    )
  const { makeLeafKeys } = await import('../tls/leaf.js')
  const { createFile } = await import('../tls/key-file.js')
  const keys = await makeLeafKeys()
  const key = options.ec === true ? keys.ec : keys.rsa
  const existing = options.force === true ? 'replace' : 'keep'
  // A colon of an IPv6 address means a drive or a host to some programs.
  const base = join(resolve(options.out), first.replaceAll(':', '-'))
  createFile(`${base}-key.pem`, key.privatePem, 0o600, existing)
  createFile(`${base}.pem`, authority.issue(wanted, key.publicKey, new Date()), 0o600, existing)
  print(`Wrote ${base}.pem and ${base}-key.pem for ${wanted.join(', ')}`)
}

async function readPassword(options: ExportOptions): Promise<string> {
  if (options.passwordFile !== undefined) {
    try {
      return readFileSync(options.passwordFile, 'utf8').split(/\r?\n/)[0] ?? ''
    } catch (cause) {
      throw new UsageError(`--password-file ${options.passwordFile} cannot be read`, { cause })
    }
  }
  // The certificate is public; its file has a password only because the format wants one.
  if (options.withKey !== true) return ''
  if (!process.stdin.isTTY)
    throw new UsageError('a p12 file with the key needs a password: name one with --password-file')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    process.stderr.write('Password for the p12 file: ')
    const password = await terminal.question('')
    process.stderr.write('\nOnce more: ')
    if ((await terminal.question('')) !== password) throw new UsageError('the two passwords differ')
    if (password === '') throw new UsageError('the private key needs a password')
    return password
  } finally {
    process.stderr.write('\n')
    terminal.close()
  }
}

function directoryOf(options: DirectoryOption): string {
  return options.dir === undefined ? defaultAuthorityDirectory() : resolve(options.dir)
}

function describe({ certificate, constrainedTo }: Authority): string {
  const day = (date: string): string => new Date(date).toISOString().slice(0, 10)
  return [
    `  name         ${certificate.subject.replace(/\n/g, ', ')}`,
    `  SHA-256      ${certificate.fingerprint256}`,
    `  valid        ${day(certificate.validFrom)} to ${day(certificate.validTo)}`,
    `  believed for ${constrainedTo === null ? 'any name' : constrainedTo.join(', ')}`,
    '',
  ].join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

const DEFAULT_DIRECTORY_HELP = './certs where it exists, else $STATE_DIRECTORY, else ~/.local/state/postern'

const CA_HELP = `
Mail programs that speak TLS to postern (POP3S or STLS) have to trust the certificate it shows. The local
authority signs one for every name you allow; you install the authority's certificate once in each program.
Programs that speak plain POP3 to postern need none of this.

Examples:
  $ postern ca init                        make the authority
  $ postern ca show                        fingerprint, and what to type to install or remove it
  $ postern ca export --out postern.crt    its certificate, to copy to another machine
  $ postern ca leaf mail.lan 192.168.1.5   a certificate for another server`

const INIT_HELP = `
A constrained authority is the safer one: whoever steals its key cannot pose as anything else.

Examples:
  $ postern ca init
  $ postern ca init --constrain-to example.org --constrain-to 192.168.1.5
  $ postern ca init --dir /etc/postern/ca`

const EXPORT_HELP = `
The key stays where it is unless you say --with-key.

Examples:
  $ postern ca export --out postern-ca.crt
  $ postern ca export --format der --out postern-ca.cer
  $ postern ca export --format p12 --with-key --password-file secret.txt --out backup.p12`

const LEAF_HELP = `
Writes NAME.pem (the certificate, valid for 396 days) and NAME-key.pem (its key), both readable by you alone,
named after the first name.

Examples:
  $ postern ca leaf pop.example.org
  $ postern ca leaf mail.lan 192.168.1.5 --out /etc/dovecot/private`

/** How the certificate gets into the stores of common systems and programs, and out again. */
function trustHelp(file: string, { fingerprint256, subject }: X509Certificate): string {
  return `Compare the fingerprint (${fingerprint256.slice(0, 23)}...) wherever you install it. Prefer the setting of one
program over that of the whole system: what a system trusts, its browser trusts too.

Install in a program
  curl                curl --cacert ${file} pop3s://...
  fetchmail           sslcertck, sslcertfile ${file}
  mpop                tls_trust_file ${file}
  getmail             ca_certs = ${file}
  mutt                set certificate_file=${file}
  Thunderbird         Settings, Privacy & Security, Certificates, Authorities, Import: "identify websites"
                      or: certutil -A -n postern -t "C,," -i ${file} -d sql:PROFILE
  Node, Python        NODE_EXTRA_CA_CERTS=${file}   SSL_CERT_FILE=${file}
  Java                keytool -importcert -cacerts -alias postern -file ${file}

Install in a system
  Debian, Ubuntu      cp ${file} /usr/local/share/ca-certificates/postern.crt && update-ca-certificates
  Fedora, RHEL        cp ${file} /etc/pki/ca-trust/source/anchors/postern.pem && update-ca-trust
  Arch                trust anchor ${file}
  macOS               security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${file}
  Windows, Outlook    certutil -addstore -f Root postern-ca-cert.cer   (postern ca export --format der)

Remove
  Thunderbird         the same list of authorities, Delete; or: certutil -D -n postern -d sql:PROFILE
  Java                keytool -delete -cacerts -alias postern
  Debian, Ubuntu      rm /usr/local/share/ca-certificates/postern.crt && update-ca-certificates --fresh
  Fedora, RHEL        rm /etc/pki/ca-trust/source/anchors/postern.pem && update-ca-trust
  Arch                trust anchor --remove ${file}
  macOS               security remove-trusted-cert -d ${file}
  Windows, Outlook    certutil -delstore Root "${/^CN=(.*)$/m.exec(subject)?.[1] ?? ''}"
  other programs      take the line out again

When postern is gone for good, remove the certificate everywhere, then delete the authority's folder.
`
}
