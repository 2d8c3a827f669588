import { execFileSync, spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  AUTHORITY_CERTIFICATE_FILE,
  AUTHORITY_KEY_FILE,
  createAuthority,
  loadAuthority,
  loadOrCreateAuthority,
  memoryAuthority,
} from '../../src/tls/authority.js'
import { CertificateError } from '../../src/tls/certificate-error.js'
import { makeLeafKeys, mintLeaf } from '../../src/tls/leaf.js'
import { testAuthority } from '../support/certificates.js'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (!hasOpenssl) console.warn('openssl is not installed: its judgement of our certificates is skipped')

let directory: string
let umask: number

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'postern-authority-'))
  umask = process.umask(0)
})

afterEach(() => {
  process.umask(umask)
  rmSync(directory, { recursive: true, force: true })
})

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8)
}

function problemOf(action: () => unknown): CertificateError {
  try {
    action()
  } catch (error) {
    if (error instanceof CertificateError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('the local authority on disk', () => {
  it('keeps key and folder from others even under umask 000', () => {
    const home = join(directory, 'new', 'authority')
    createAuthority(home)
    expect(mode(home)).toBe('700')
    expect(mode(join(home, AUTHORITY_KEY_FILE))).toBe('600')
    expect(mode(join(home, AUTHORITY_CERTIFICATE_FILE))).toBe('644')
    expect(readFileSync(join(home, AUTHORITY_CERTIFICATE_FILE), 'utf8')).not.toContain('PRIVATE')
  })

  it('comes back as what it was', () => {
    const made = createAuthority(directory)
    const loaded = loadAuthority(directory)
    expect(loaded.certificate.fingerprint256).toBe(made.certificate.fingerprint256)
    expect(loaded.key.equals(made.key)).toBe(true)
    expect(loadOrCreateAuthority(directory).certificate.fingerprint256).toBe(made.certificate.fingerprint256)
  })

  it('never replaces an authority unasked, and leaves no draft behind', () => {
    const made = createAuthority(directory)
    const error = problemOf(() => createAuthority(directory))
    expect(error.message).toContain('exists already')
    expect(loadAuthority(directory).certificate.fingerprint256).toBe(made.certificate.fingerprint256)
    const other = createAuthority(directory, { existing: 'replace' })
    expect(loadAuthority(directory).certificate.fingerprint256).toBe(other.certificate.fingerprint256)
    expect(spawnSync('ls', [directory]).stdout.toString()).not.toContain('.new')
  })

  it.each([0o640, 0o604, 0o660])('refuses a key of mode %o with the command that mends it', (bits) => {
    createAuthority(directory)
    const file = join(directory, AUTHORITY_KEY_FILE)
    chmodSync(file, bits)
    const error = problemOf(() => loadAuthority(directory))
    expect(error.file).toBe(file)
    expect(error.message).toContain(`chmod 600 ${file}`)
    execFileSync('sh', ['-c', error.cure.replace(/^close it with: /, '').replace(/ \(.*$/, '')])
    expect(loadAuthority(directory).directory).toBe(directory)
  })

  it('refuses a folder in which others may write, unless it holds nothing but its own files', () => {
    chmodSync(directory, 0o777)
    writeFileSync(join(directory, 'README.md'), '')
    createAuthority(directory)
    expect(mode(directory)).toBe('700')
    const shared = mkdtempSync(join(directory, 'shared-'))
    chmodSync(shared, 0o777)
    writeFileSync(join(shared, 'of-somebody-else'), '')
    const error = problemOf(() => createAuthority(shared))
    expect(error.message).toContain(`chmod 700 ${shared}`)
    expect(mode(shared)).toBe('777')
  })

  it('says what is wrong with the file', () => {
    const file = join(directory, AUTHORITY_KEY_FILE)
    const put = (text: string) => writeFileSync(file, text, { mode: 0o600 })
    expect(problemOf(() => loadAuthority(directory)).cure).toContain('postern ca init')

    put('rubbish')
    expect(problemOf(() => loadAuthority(directory)).problem).toContain('no readable private key')
    const good = testAuthority()
    put(good.key)
    expect(problemOf(() => loadAuthority(directory)).problem).toBe('holds no certificate')
    put(good.key + good.cert.replace(/\n[A-Za-z0-9+/]{64}\n/, '\nAAAA\n'))
    expect(problemOf(() => loadAuthority(directory)).problem).toBe('holds a damaged certificate')
    put(testAuthority().key + good.cert)
    expect(problemOf(() => loadAuthority(directory)).problem).toContain('does not belong')
    const leaf = good.issue()
    put(leaf.key + leaf.cert)
    expect(problemOf(() => loadAuthority(directory)).problem).toContain('not that of an authority')
    const old = testAuthority({ notBefore: new Date('2020-01-01T00:00:00Z'), days: 31 })
    put(old.key + old.cert)
    expect(problemOf(() => loadAuthority(directory)).problem).toBe('the authority expired on 2020-02-01')
    const early = testAuthority({ notBefore: new Date(Date.now() + 5 * 86_400_000) })
    put(early.key + early.cert)
    expect(problemOf(() => loadAuthority(directory)).cure).toContain('clock')
  })
})

describe('leaves', () => {
  const names = ['pop.example.org', '127.0.0.1', '2001:db8::5']

  it('carry names and addresses, are short-lived, and never outlive the authority', async () => {
    const authority = memoryAuthority()
    const keys = await makeLeafKeys()
    const now = new Date()
    for (const pem of mintLeaf(authority, names, keys, now).cert) {
      const leaf = new X509Certificate(pem)
      expect(leaf.subjectAltName).toBe(
        'DNS:pop.example.org, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:5',
      )
      expect(leaf.ca).toBe(false)
      expect(leaf.checkIssued(authority.certificate)).toBe(true)
      expect(leaf.verify(authority.certificate.publicKey)).toBe(true)
      expect(new Date(leaf.validFrom).getTime()).toBeLessThan(now.getTime() - 86_000_000)
      expect(new Date(leaf.validTo).getTime() - new Date(leaf.validFrom).getTime()).toBe(397 * 86_400_000)
    }
    const late = new Date(new Date(authority.certificate.validTo).getTime() - 86_400_000)
    const last = new X509Certificate(authority.issue(names, keys.ec.publicKey, late))
    expect(last.validTo).toBe(authority.certificate.validTo)
  })

  it('can be signed by an authority with an EC key and a key identifier of its own', async () => {
    const foreign = testAuthority({ commonName: 'Föreign ÇA' })
    writeFileSync(join(directory, AUTHORITY_KEY_FILE), foreign.key + foreign.cert, { mode: 0o600 })
    const authority = loadAuthority(directory)
    const leaf = new X509Certificate(authority.issue(names, (await makeLeafKeys()).rsa.publicKey, new Date()))
    expect(leaf.issuer).toBe(authority.certificate.subject)
    expect(
      leaf.verify(createPublicKey(foreign.keyPair.publicKey.export({ type: 'spki', format: 'pem' }))),
    ).toBe(true)
    expect(leaf.checkIssued(authority.certificate)).toBe(true)
  })

  it('never repeats a serial number', () => {
    const authority = memoryAuthority()
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const serials = Array.from(
      { length: 50 },
      () => new X509Certificate(authority.issue(['a.example'], publicKey, new Date())).serialNumber,
    )
    expect(new Set(serials).size).toBe(50)
    expect(serials.every((serial) => /^[4-7][0-9A-F]{31}$/.test(serial))).toBe(true)
  })

  it.skipIf(!hasOpenssl)('satisfy openssl in its strict mode, for every name', async () => {
    const authority = createAuthority(directory)
    const leaf = mintLeaf(authority, names, await makeLeafKeys(), new Date())
    for (const [index, pem] of leaf.cert.entries()) {
      const file = join(directory, `leaf-${index}.pem`)
      writeFileSync(file, pem)
      const verify = (...more: string[]) =>
        spawnSync('openssl', [
          'verify',
          '-x509_strict',
          '-purpose',
          'sslserver',
          '-CAfile',
          join(directory, AUTHORITY_CERTIFICATE_FILE),
          ...more,
          file,
        ])
      expect(verify('-verify_hostname', 'pop.example.org').stdout.toString()).toContain(': OK')
      expect(verify('-verify_ip', '127.0.0.1').stdout.toString()).toContain(': OK')
      expect(verify('-verify_ip', '2001:db8::5').stdout.toString()).toContain(': OK')
      expect(verify('-verify_hostname', 'imap.example.org').status).not.toBe(0)
    }
    const text = execFileSync('openssl', [
      'x509',
      '-noout',
      '-text',
      '-in',
      join(directory, AUTHORITY_CERTIFICATE_FILE),
    ]).toString()
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/)
    expect(text).toMatch(/Public-Key: \(2048 bit\)/)
  })

  it.skipIf(!hasOpenssl)('of a constrained authority are believed within its names only', async () => {
    const authority = createAuthority(directory, { constrainTo: ['example.org', '192.0.2.7'] })
    expect(loadAuthority(directory).constrainedTo).toEqual(['example.org', '192.0.2.7'])
    const { ec } = await makeLeafKeys()
    const verify = (name: string): boolean => {
      const file = join(directory, 'leaf.pem')
      writeFileSync(file, authority.issue([name], ec.publicKey, new Date()))
      const ca = join(directory, AUTHORITY_CERTIFICATE_FILE)
      return spawnSync('openssl', ['verify', '-CAfile', ca, file]).status === 0
    }
    for (const name of [
      'example.org',
      'pop.example.org',
      '192.0.2.7',
      'example.com',
      'badexample.org',
      '192.0.2.8',
    ])
      expect([name, verify(name)]).toEqual([name, authority.permits(name)])
    expect(authority.permits('pop.example.org')).toBe(true)
    expect(authority.permits('badexample.org')).toBe(false)
  })

  it.skipIf(!hasOpenssl)(
    'of an authority constrained to domains are not believed for addresses',
    async () => {
      const authority = createAuthority(directory, { constrainTo: ['example.org'] })
      const file = join(directory, 'leaf.pem')
      for (const address of ['192.0.2.8', '2001:db8::1']) {
        writeFileSync(file, authority.issue([address], (await makeLeafKeys()).ec.publicKey, new Date()))
        expect(
          spawnSync('openssl', ['verify', '-CAfile', join(directory, AUTHORITY_CERTIFICATE_FILE), file])
            .status,
        ).not.toBe(0)
      }
    },
  )
})
