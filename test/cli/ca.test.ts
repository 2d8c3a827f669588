import { spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defaultAuthorityDirectory, registerCa } from '../../src/cli/ca.js'
import { exitCodeOf } from '../../src/cli/failure.js'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) console.warn('openssl is not installed: PKCS#12 files are not opened')

let directory: string
let home: string
let umask: number

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-ca-'))
  home = join(directory, 'ca')
  umask = process.umask(0)
})

afterEach(() => {
  process.umask(umask)
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true, force: true })
})

/** Runs `postern ca ...` and returns what went to stdout. */
async function ca(...arguments_: string[]): Promise<Buffer> {
  const written: Buffer[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(Buffer.from(chunk))
    return true
  })
  try {
    const program = new Command('postern').exitOverride()
    registerCa(program)
    await program.parseAsync(['ca', ...arguments_], { from: 'user' })
  } finally {
    spy.mockRestore()
  }
  return Buffer.concat(written)
}

async function failureOf(...arguments_: string[]): Promise<{ code: number; message: string }> {
  try {
    await ca(...arguments_)
  } catch (error) {
    return { code: exitCodeOf(error), message: error instanceof Error ? error.message : '' }
  }
  throw new Error('the command did not fail')
}

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8)
}

describe('postern ca', () => {
  it('makes an authority once, and another only when forced', async () => {
    const told = (await ca('init', '--dir', home)).toString()
    const first = new X509Certificate(readFileSync(join(home, 'postern-ca-cert.pem')))
    expect(told).toContain(first.fingerprint256)
    expect(told).not.toContain('PRIVATE')
    expect(mode(join(home, 'postern-ca.pem'))).toBe('600')
    expect(await failureOf('init', '--dir', home)).toMatchObject({
      code: 5,
      message: expect.stringContaining('--force'),
    })
    await ca('init', '--dir', home, '--force')
    const second = new X509Certificate(readFileSync(join(home, 'postern-ca-cert.pem')))
    expect(second.fingerprint256).not.toBe(first.fingerprint256)
  })

  it('shows fingerprint, constraints, and how to install and remove the certificate', async () => {
    await ca('init', '--dir', home, '--constrain-to', 'example.org', '--constrain-to', '192.0.2.1')
    const told = (await ca('show', '--dir', home)).toString()
    const certificate = new X509Certificate(readFileSync(join(home, 'postern-ca-cert.pem')))
    expect(told).toContain(certificate.fingerprint256)
    expect(told).toContain('example.org, 192.0.2.1')
    for (const place of ['Thunderbird', 'Debian', 'Windows', 'macOS', 'fetchmail', 'Remove'])
      expect(told).toContain(place)
    expect(told).toContain(join(home, 'postern-ca-cert.pem'))
    expect(told).not.toContain('PRIVATE')
  })

  it('says how to make an authority where there is none', async () => {
    for (const command of [['show'], ['export'], ['leaf', 'a.example']])
      expect(await failureOf(...command, '--dir', home)).toMatchObject({
        code: 5,
        message: expect.stringContaining(`postern ca init --dir ${home}`),
      })
  })

  it('exports the certificate without its key', async () => {
    await ca('init', '--dir', home)
    const pem = (await ca('export', '--dir', home)).toString()
    expect(pem).toBe(readFileSync(join(home, 'postern-ca-cert.pem'), 'utf8'))
    const der = await ca('export', '--dir', home, '--format', 'der')
    expect(new X509Certificate(der).fingerprint256).toBe(new X509Certificate(pem).fingerprint256)
    const file = join(directory, 'out.crt')
    await ca('export', '--dir', home, '--out', file)
    expect(readFileSync(file, 'utf8')).toBe(pem)
    expect(await failureOf('export', '--dir', home, '--out', file)).toMatchObject({ code: 5 })
    await ca('export', '--dir', home, '--out', file, '--force')
  })

  it('exports the key only when asked to, into a file for the owner alone', async () => {
    await ca('init', '--dir', home)
    const file = join(directory, 'both.pem')
    await ca('export', '--dir', home, '--with-key', '--out', file)
    expect(mode(file)).toBe('600')
    const certificate = new X509Certificate(readFileSync(file))
    expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(file)))).toBe(true)
  })

  it.skipIf(!hasOpenssl)('exports PKCS#12 that openssl opens, with the key only when asked to', async () => {
    await ca('init', '--dir', home)
    const open = (file: string, password: string): string =>
      spawnSync('openssl', ['pkcs12', '-in', file, '-nodes', '-passin', `pass:${password}`]).stdout.toString()
    const bare = join(directory, 'bare.p12')
    await ca('export', '--dir', home, '--format', 'p12', '--out', bare)
    expect(open(bare, '')).toContain('BEGIN CERTIFICATE')
    expect(open(bare, '')).not.toContain('PRIVATE KEY')
    const secret = join(directory, 'secret')
    writeFileSync(secret, 'correct horse\n')
    const full = join(directory, 'full.p12')
    await ca(
      'export',
      '--dir',
      home,
      '--format',
      'p12',
      '--with-key',
      '--password-file',
      secret,
      '--out',
      full,
    )
    expect(mode(full)).toBe('600')
    expect(open(full, 'wrong')).toBe('')
    const certificate = new X509Certificate(readFileSync(join(home, 'postern-ca-cert.pem')))
    expect(certificate.checkPrivateKey(createPrivateKey(open(full, 'correct horse')))).toBe(true)
  })

  it('refuses what contradicts itself as a usage error', async () => {
    await ca('init', '--dir', home)
    const usage = async (...arguments_: string[]): Promise<string> => {
      const { code, message } = await failureOf(...arguments_, '--dir', home)
      expect(code).toBe(2)
      return message
    }
    expect(await usage('export', '--with-key', '--format', 'der')).toContain('--with-key')
    expect(await usage('export', '--password-file', 'x')).toContain('--format p12')
    expect(await usage('export', '--format', 'p12', '--password-file', join(directory, 'no'))).toContain(
      'cannot be read',
    )
    expect(await usage('leaf', '*.example.org')).toContain('wildcards')
  })

  it('writes a leaf and its key for the owner alone', async () => {
    await ca('init', '--dir', home)
    await ca('leaf', 'Pop.example.org', '192.0.2.1', '--dir', home, '--out', directory)
    const authority = new X509Certificate(readFileSync(join(home, 'postern-ca-cert.pem')))
    const leaf = new X509Certificate(readFileSync(join(directory, 'pop.example.org.pem')))
    expect(leaf.subjectAltName).toBe('DNS:pop.example.org, IP Address:192.0.2.1')
    expect(leaf.verify(authority.publicKey)).toBe(true)
    const keyFile = join(directory, 'pop.example.org-key.pem')
    expect(leaf.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))).toBe(true)
    expect(leaf.publicKey.asymmetricKeyType).toBe('rsa')
    expect(mode(keyFile)).toBe('600')
    expect(await failureOf('leaf', 'pop.example.org', '--dir', home, '--out', directory)).toMatchObject({
      code: 5,
    })
    await ca('leaf', 'pop.example.org', '--dir', home, '--out', directory, '--ec', '--force')
    const second = new X509Certificate(readFileSync(join(directory, 'pop.example.org.pem')))
    expect(second.publicKey.asymmetricKeyType).toBe('ec')
  })

  it('writes no leaf that the constraints of the authority make worthless', async () => {
    await ca('init', '--dir', home, '--constrain-to', 'example.org')
    const { code, message } = await failureOf('leaf', 'pop.example.com', '--dir', home, '--out', directory)
    expect(code).toBe(2)
    expect(message).toContain('constrained to example.org')
  })
})

describe('the folder of the authority', () => {
  it('is ./certs where it exists, then that of the service manager, then that of the user', () => {
    const cwd = vi.spyOn(process, 'cwd').mockReturnValue(directory)
    vi.stubEnv('STATE_DIRECTORY', '/var/lib/postern:/var/lib/other')
    vi.stubEnv('XDG_STATE_HOME', '/home/a/.state')
    expect(defaultAuthorityDirectory()).toBe('/var/lib/postern')
    vi.stubEnv('STATE_DIRECTORY', '')
    expect(defaultAuthorityDirectory()).toBe('/home/a/.state/postern')
    vi.stubEnv('XDG_STATE_HOME', 'relative')
    vi.stubEnv('HOME', '/home/a')
    expect(defaultAuthorityDirectory()).toBe('/home/a/.local/state/postern')
    mkdirSync(join(directory, 'certs'))
    expect(defaultAuthorityDirectory()).toBe(join(directory, 'certs'))
    cwd.mockRestore()
  })
})
