/**
 * Makes certificates for tests: good ones, and every kind of bad one. Writes the structures of X.509 itself in
 * a few lines and shares nothing with `src/tls`, so that a mistake there cannot hide behind the same mistake
 * here. Keys and signatures come from Node's crypto; nothing touches the disk.
 */
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP, isIPv4, SocketAddress } from 'node:net'

/** What a certificate shall say. Everything has a sound default; tests name what they want spoiled. */
export interface CertificateRequest {
  /** DNS names and IP addresses of the subject alternative name; the first is the common name too. */
  readonly names?: readonly string[]
  /** Common name where it is not the first of `names`. */
  readonly commonName?: string
  /** First moment of validity; a day ago. */
  readonly notBefore?: Date
  /** Days of validity from `notBefore`; 30. */
  readonly days?: number
  /** Makes an RSA key of this many bits. Without it the key is EC. */
  readonly bits?: number
  /** Named curve of an EC key; prime256v1. */
  readonly ec?: string
  /** Digest of the signature; sha256. */
  readonly digest?: 'sha1' | 'sha256' | 'sha384'
  /** Uses of the key; serverAuth. */
  readonly usage?: 'server' | 'client'
  /** Key to certify instead of a fresh one, such as that of a certificate to be renewed. */
  readonly keyPair?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
}

/** A certificate with its private key, in the forms that tests ask for. */
export interface IssuedCertificate {
  /** This certificate alone, PEM. */
  readonly cert: string
  /** Private key, PKCS#8 PEM. */
  readonly key: string
  /** This certificate and the intermediate ones above it, without the root, PEM: what a server sends. */
  readonly chain: string
  /** SHA-256 of the certificate, lower-case hex without colons. */
  readonly fingerprint: string
  /** SHA-256 of the public key (SPKI), base64. */
  readonly spki: string
  readonly keyPair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
}

/** An authority of a test: a certificate that can issue others. */
export interface TestAuthority extends IssuedCertificate {
  /** Issues a certificate for a server. */
  issue(request?: CertificateRequest): IssuedCertificate
  /** Issues an authority below this one; its leaves carry it in `chain`. */
  intermediate(request?: CertificateRequest): TestAuthority
}

/** Makes a root authority of its own, trusted by nobody; EC unless the request names bits. */
export function testAuthority(request: CertificateRequest = {}): TestAuthority {
  return authority({ commonName: `Test authority ${randomBytes(4).toString('hex')}`, ...request }, null)
}

/** Makes a server's certificate that only its own key has signed. */
export function selfSigned(request: CertificateRequest = {}): IssuedCertificate {
  return write(request, null, 'leaf')
}

interface Issuer {
  readonly name: Buffer
  readonly issued: IssuedCertificate
  readonly isRoot: boolean
}

function authority(request: CertificateRequest, above: Issuer | null): TestAuthority {
  const issued = write(request, above, 'authority')
  const self: Issuer = { name: distinguishedName(request), issued, isRoot: above === null }
  return {
    ...issued,
    issue: (leaf = {}) => write(leaf, self, 'leaf'),
    intermediate: (below = {}) =>
      authority({ commonName: `Intermediate ${randomBytes(4).toString('hex')}`, ...below }, self),
  }
}

function write(
  request: CertificateRequest,
  issuer: Issuer | null,
  kind: 'leaf' | 'authority',
): IssuedCertificate {
  const keyPair = request.keyPair ?? makeKeys(request)
  const signingKey = issuer?.issued.keyPair.privateKey ?? keyPair.privateKey
  const digest = request.digest ?? 'sha256'
  const notBefore = request.notBefore ?? new Date(Date.now() - 86_400_000)
  const notAfter = new Date(notBefore.getTime() + (request.days ?? 30) * 86_400_000)
  const spki = keyPair.publicKey.export({ type: 'spki', format: 'der' })
  const issuerSpki = issuer?.issued.keyPair.publicKey.export({ type: 'spki', format: 'der' }) ?? spki
  const algorithm = signatureAlgorithm(signingKey, digest)

  const signed = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([0x5a]), randomBytes(15)])),
    algorithm,
    issuer?.name ?? distinguishedName(request),
    sequence(time(notBefore), time(notAfter)),
    distinguishedName(request),
    spki,
    der(0xa3, sequence(...extensions(request, kind, keyIdentifier(spki), keyIdentifier(issuerSpki)))),
  )
  const raw = sequence(signed, algorithm, bitString(sign(digest, signed, signingKey)))
  const cert = pem('CERTIFICATE', raw)
  return {
    cert,
    key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chain: issuer === null || issuer.isRoot ? cert : cert + issuer.issued.chain,
    fingerprint: createHash('sha256').update(new X509Certificate(cert).raw).digest('hex'),
    spki: createHash('sha256').update(spki).digest('base64'),
    keyPair,
  }
}

function makeKeys(request: CertificateRequest): { privateKey: KeyObject; publicKey: KeyObject } {
  return request.bits === undefined
    ? generateKeyPairSync('ec', { namedCurve: request.ec ?? 'prime256v1' })
    : generateKeyPairSync('rsa', { modulusLength: request.bits })
}

function extensions(
  request: CertificateRequest,
  kind: 'leaf' | 'authority',
  subjectKey: Buffer,
  issuerKey: Buffer,
): readonly Buffer[] {
  const always = [
    extension('551d0e', octetString(subjectKey)),
    extension('551d23', sequence(der(0x80, issuerKey))),
  ]
  if (kind === 'authority')
    return [
      extension('551d13', sequence(der(0x01, Buffer.from([0xff]))), CRITICAL),
      // keyCertSign and cRLSign.
      extension('551d0f', der(0x03, Buffer.from([1, 0x06])), CRITICAL),
      ...always,
    ]
  const names = request.names ?? ['localhost']
  const usage = request.usage === 'client' ? '2b06010505070302' : '2b06010505070301'
  return [
    extension('551d13', sequence(), CRITICAL),
    // digitalSignature and keyEncipherment.
    extension('551d0f', der(0x03, Buffer.from([5, 0xa0])), CRITICAL),
    extension('551d25', sequence(oid(usage))),
    ...(names.length === 0 ? [] : [extension('551d11', sequence(...names.map(generalName)))]),
    ...always,
  ]
}

const CRITICAL = der(0x01, Buffer.from([0xff]))

function extension(oidHex: string, value: Buffer, critical: Buffer = Buffer.alloc(0)): Buffer {
  return sequence(oid(oidHex), critical, octetString(value))
}

function generalName(name: string): Buffer {
  return isIP(name) === 0 ? der(0x82, Buffer.from(name, 'latin1')) : der(0x87, addressOctets(name))
}

function addressOctets(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const normal = new SocketAddress({ address, family: 'ipv6' }).address
  const [head = '', tail = ''] = normal.split('::')
  const left = head.split(':').filter((group) => group !== '')
  const right = tail.split(':').filter((group) => group !== '')
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function distinguishedName(request: CertificateRequest): Buffer {
  const commonName = request.commonName ?? request.names?.[0] ?? 'localhost'
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName, 'utf8')))))
}

function signatureAlgorithm(key: KeyObject, digest: 'sha1' | 'sha256' | 'sha384'): Buffer {
  const ec = key.asymmetricKeyType === 'ec'
  if (digest === 'sha1')
    return ec ? sequence(oid('2a8648ce3d0401')) : sequence(oid('2a864886f70d010105'), NULL)
  const last = { sha256: ['02', '0b'], sha384: ['03', '0c'] }[digest]
  return ec ? sequence(oid(`2a8648ce3d0403${last[0]}`)) : sequence(oid(`2a864886f70d0101${last[1]}`), NULL)
}

const NULL = Buffer.from([0x05, 0x00])

function keyIdentifier(spki: Buffer): Buffer {
  return createHash('sha1').update(spki).digest()
}

function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14)
  // RFC 5280: two digits of the year up to 2049, four from 2050 on.
  return at.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : der(0x18, Buffer.from(`${digits}Z`))
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function octetString(value: Buffer): Buffer {
  return der(0x04, value)
}

function bitString(value: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), value)
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const hex = content.length.toString(16)
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

function pem(label: string, raw: Buffer): string {
  const lines = raw.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
