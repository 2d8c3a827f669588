/**
 * Writes X.509 certificates: node-forge's ASN.1 lays out the structure, Node's crypto makes keys and signatures.
 * Owns every use of node-forge. Its own certificate writer is left aside because it knows no EC keys and signs
 * in JavaScript (18 ms with the event loop blocked, against less than one). Never judges a certificate: reading
 * and verifying is `crypto.X509Certificate`'s and OpenSSL's.
 */
import { createHash, type KeyObject, randomBytes, sign, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'
import { certificateName } from './names.js'

declare module 'node-forge' {
  namespace asn1 {
    /** What @types/node-forge leaves out: reading without looking for structures inside bit strings. */
    function fromDer(octets: Bytes, options: { readonly decodeBitStrings: boolean }): Asn1
  }
}

const { asn1, pki } = forge
type Asn1 = forge.asn1.Asn1

/** What one certificate says. */
export interface CertificateContents {
  readonly subject: readonly { readonly name: 'commonName' | 'organizationName'; readonly value: string }[]
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly kind: { readonly type: 'authority'; readonly constrainTo: readonly string[] } | ServerKind
}

interface ServerKind {
  readonly type: 'server'
  /** DNS names and IP addresses in the form of `certificateName`. */
  readonly names: readonly string[]
}

/** The authority that signs; null where the certificate signs itself. */
export interface Issuer {
  readonly certificate: X509Certificate
  readonly key: KeyObject
}

/** Names under which an authority may issue, as its name constraints have it. RFC 5280 section 4.2.1.10. */
export type NameConstraints = readonly string[]

const OID_SUBJECT_KEY = '2.5.29.14'
const OID_KEY_USAGE = '2.5.29.15'
const OID_ALTERNATIVE_NAME = '2.5.29.17'
const OID_BASIC_CONSTRAINTS = '2.5.29.19'
const OID_NAME_CONSTRAINTS = '2.5.29.30'
const OID_AUTHORITY_KEY = '2.5.29.35'
const OID_EXTENDED_KEY_USAGE = '2.5.29.37'
const OID_SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const OID_SHA256_RSA = '1.2.840.113549.1.1.11'
const OID_SHA256_ECDSA = '1.2.840.10045.4.3.2'
const OID_ATTRIBUTES = { commonName: '2.5.4.3', organizationName: '2.5.4.10' } as const

// Bits of KeyUsage, RFC 5280 section 4.2.1.3.
const DIGITAL_SIGNATURE = 0x80
const KEY_ENCIPHERMENT = 0x20
const KEY_CERT_SIGN = 0x04
const CRL_SIGN = 0x02

// Kinds of GeneralName, RFC 5280 section 4.2.1.6.
const DNS_NAME = 2
const IP_ADDRESS = 7

/** Tells whether certificates can be signed by this key: RSA and EC can. */
export function canSign(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec'
}

/**
 * Writes and signs one certificate with SHA-256.
 *
 * @param issuer the signing authority, or the subject's own private key for a root
 * @returns PEM
 * @throws Error where {@link canSign} is false for the key
 */
export function writeCertificate(contents: CertificateContents, issuer: Issuer | KeyObject): string {
  const authority = 'certificate' in issuer ? readIssuer(issuer.certificate) : null
  const signingKey = 'certificate' in issuer ? issuer.key : issuer
  const subjectKey = keyIdentifier(contents.publicKey)
  const algorithm = signatureAlgorithm(signingKey)
  const subject = distinguishedName(contents.subject)

  // TBSCertificate, RFC 5280 section 4.1.
  const signed = sequence([
    contextList(0, [integer(Buffer.from([2]))]),
    integer(serialNumber()),
    algorithm,
    authority?.subject ?? subject,
    sequence([time(contents.notBefore), time(contents.notAfter)]),
    subject,
    decode(contents.publicKey.export({ type: 'spki', format: 'der' })),
    contextList(3, [sequence(extensions(contents, subjectKey, authority?.keyIdentifier ?? null))]),
  ])
  const signature = sign('sha256', encode(signed), signingKey)
  return pem(encode(sequence([signed, algorithm, bitString(signature, 0)])))
}

/**
 * Reads the permitted names of an authority's name constraints, as {@link writeCertificate} writes them.
 *
 * @param certificate an authority of our own, already read by Node
 * @returns null where the authority is unconstrained
 */
export function readNameConstraints(certificate: X509Certificate): NameConstraints | null {
  const value = extensionValue(certificate, OID_NAME_CONSTRAINTS)
  if (value === null) return null
  const permitted = children(value).find((part) => part.type === 0)
  if (permitted === undefined) return []
  return children(permitted).flatMap((subtree) => {
    const base = children(subtree)[0]
    if (base === undefined || typeof base.value !== 'string') return []
    if (base.type === DNS_NAME) return [base.value]
    return base.type === IP_ADDRESS ? [addressText(Buffer.from(base.value, 'latin1'))] : []
  })
}

/** Encodes PEM of a certificate. */
export function pem(octets: Buffer): string {
  const lines = octets.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/**
 * Wraps a certificate, and its key where one is given, as PKCS#12.
 *
 * @param keyPem an RSA key, which is all that forge can wrap; null leaves the certificate alone
 */
export function writePkcs12(certificatePem: string, keyPem: string | null, password: string): Buffer {
  const key = keyPem === null ? null : pki.privateKeyFromPem(keyPem)
  const wrapped = forge.pkcs12.toPkcs12Asn1(key, [pki.certificateFromPem(certificatePem)], password, {
    algorithm: 'aes256',
    friendlyName: 'postern local authority',
  })
  return encode(wrapped)
}

function extensions(contents: CertificateContents, subjectKey: Buffer, authorityKey: Buffer | null): Asn1[] {
  const { kind } = contents
  const subjectKeyIdentifier = extension(OID_SUBJECT_KEY, octetString(subjectKey))
  if (kind.type === 'authority')
    return [
      // CA, and none below it: a stolen leaf key cannot issue, an intermediate cannot be made.
      criticalExtension(OID_BASIC_CONSTRAINTS, sequence([yes(), integer(Buffer.from([0]))])),
      criticalExtension(OID_KEY_USAGE, bitString(Buffer.from([KEY_CERT_SIGN | CRL_SIGN]), 1)),
      subjectKeyIdentifier,
      ...nameConstraints(kind.constrainTo),
    ]
  // Only RSA keys encipher; the bit on an EC certificate makes strict clients refuse it.
  const usage =
    contents.publicKey.asymmetricKeyType === 'rsa'
      ? bitString(Buffer.from([DIGITAL_SIGNATURE | KEY_ENCIPHERMENT]), 5)
      : bitString(Buffer.from([DIGITAL_SIGNATURE]), 7)
  return [
    criticalExtension(OID_BASIC_CONSTRAINTS, sequence([])),
    criticalExtension(OID_KEY_USAGE, usage),
    extension(OID_EXTENDED_KEY_USAGE, sequence([oid(OID_SERVER_AUTH)])),
    extension(OID_ALTERNATIVE_NAME, sequence(kind.names.map(generalName))),
    subjectKeyIdentifier,
    extension(OID_AUTHORITY_KEY, sequence([context(0, authorityKey ?? subjectKey)])),
  ]
}

function extension(id: string, value: Asn1): Asn1 {
  return sequence([oid(id), octetString(encode(value))])
}

function criticalExtension(id: string, value: Asn1): Asn1 {
  return sequence([oid(id), yes(), octetString(encode(value))])
}

function generalName(name: string): Asn1 {
  return isIP(name) === 0
    ? context(DNS_NAME, Buffer.from(name, 'latin1'))
    : context(IP_ADDRESS, addressOctets(name))
}

/**
 * Constraints bind only the kinds of names they mention, so a kind without a permitted name is excluded as a
 * whole: an authority for example.org must not issue for 192.0.2.1.
 */
function nameConstraints(names: readonly string[]): Asn1[] {
  if (names.length === 0) return []
  const addresses = names.filter((name) => isIP(name) !== 0)
  const domains = names.filter((name) => isIP(name) === 0)
  const permitted = [
    ...domains.map((name) => context(DNS_NAME, Buffer.from(name, 'latin1'))),
    ...addresses.map((address) => {
      const octets = addressOctets(address)
      return context(IP_ADDRESS, Buffer.concat([octets, Buffer.alloc(octets.length, 0xff)]))
    }),
  ]
  const excluded = [
    ...(domains.length === 0 ? [context(DNS_NAME, Buffer.alloc(0))] : []),
    ...(addresses.length === 0
      ? [context(IP_ADDRESS, Buffer.alloc(8)), context(IP_ADDRESS, Buffer.alloc(32))]
      : []),
  ]
  const subtrees = (tag: number, bases: readonly Asn1[]): Asn1[] => {
    const list = bases.map((base) => sequence([base]))
    return list.length === 0 ? [] : [contextList(tag, list)]
  }
  return [
    criticalExtension(OID_NAME_CONSTRAINTS, sequence([...subtrees(0, permitted), ...subtrees(1, excluded)])),
  ]
}

function distinguishedName(attributes: CertificateContents['subject']): Asn1 {
  return sequence(
    attributes.map(({ name, value }) => {
      const text = universal(asn1.Type.UTF8, Buffer.from(value, 'utf8'))
      return universalList(asn1.Type.SET, [sequence([oid(OID_ATTRIBUTES[name]), text])])
    }),
  )
}

/** 16 random octets; the first keeps the number positive and its encoding minimal. RFC 5280 section 4.1.2.2. */
function serialNumber(): Buffer {
  const octets = randomBytes(16)
  octets[0] = 0x40 | ((octets[0] ?? 0) & 0x3f)
  return octets
}

function time(at: Date): Asn1 {
  // RFC 5280 section 4.1.2.5: two digits of the year up to 2049, four from 2050 on.
  return at.getUTCFullYear() < 2050
    ? universal(asn1.Type.UTCTIME, Buffer.from(asn1.dateToUtcTime(at)))
    : universal(asn1.Type.GENERALIZEDTIME, Buffer.from(asn1.dateToGeneralizedTime(at)))
}

function signatureAlgorithm(key: KeyObject): Asn1 {
  if (!canSign(key)) throw new Error(`cannot sign certificates with a key of type ${key.asymmetricKeyType}`)
  // RFC 5758 section 3.2: ECDSA has no parameters; RFC 4055: RSA has NULL.
  return key.asymmetricKeyType === 'ec'
    ? sequence([oid(OID_SHA256_ECDSA)])
    : sequence([oid(OID_SHA256_RSA), universal(asn1.Type.NULL, Buffer.alloc(0))])
}

/** Subject and key identifier exactly as the authority's own certificate has them: both must match to the octet. */
function readIssuer(certificate: X509Certificate): { subject: Asn1; keyIdentifier: Buffer } {
  const subject = children(children(decode(certificate.raw))[0])[5]
  if (subject === undefined) throw new Error('certificate without a subject')
  const own = extensionValue(certificate, OID_SUBJECT_KEY)?.value
  return {
    subject,
    keyIdentifier:
      typeof own === 'string' ? Buffer.from(own, 'latin1') : keyIdentifier(certificate.publicKey),
  }
}

function extensionValue(certificate: X509Certificate, wanted: string): Asn1 | null {
  const fields = children(children(decode(certificate.raw))[0])
  const list = fields.find((field) => field.tagClass === asn1.Class.CONTEXT_SPECIFIC && field.type === 3)
  if (list === undefined) return null
  for (const one of children(children(list)[0])) {
    const parts = children(one)
    const id = parts[0]?.value
    const value = parts.at(-1)?.value
    if (typeof id !== 'string' || asn1.derToOid(id) !== wanted) continue
    return typeof value === 'string' ? decode(Buffer.from(value, 'latin1')) : null
  }
  return null
}

/** RFC 5280 section 4.2.1.2, method 1: SHA-1 of the key's bits. An identifier, not a safeguard. */
function keyIdentifier(key: KeyObject): Buffer {
  const bits = children(decode(key.export({ type: 'spki', format: 'der' })))[1]?.value
  if (typeof bits !== 'string') throw new Error('public key without its bits')
  // The first octet counts unused bits.
  return createHash('sha1').update(Buffer.from(bits, 'latin1').subarray(1)).digest()
}

function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const left = head.split(':').filter((group) => group !== '')
  const right = tail.split(':').filter((group) => group !== '')
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** The address of a constraint, which is followed by its mask. */
function addressText(constraint: Buffer): string {
  const octets = constraint.subarray(0, constraint.length / 2)
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(index * 2).toString(16))
  return certificateName(groups.join(':')) ?? ''
}

function decode(octets: Buffer): Asn1 {
  return asn1.fromDer(octets.toString('latin1'), { decodeBitStrings: false })
}

function encode(value: Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1')
}

function children(value: Asn1 | undefined): Asn1[] {
  if (value === undefined || typeof value.value === 'string') throw new Error('not a structured ASN.1 value')
  return value.value
}

function sequence(parts: Asn1[]): Asn1 {
  return universalList(asn1.Type.SEQUENCE, parts)
}

function universalList(type: forge.asn1.Type, parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, type, true, parts)
}

function universal(type: forge.asn1.Type, octets: Buffer): Asn1 {
  return asn1.create(asn1.Class.UNIVERSAL, type, false, octets.toString('latin1'))
}

function context(tag: number, octets: Buffer): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, false, octets.toString('latin1'))
}

function contextList(tag: number, parts: Asn1[]): Asn1 {
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, true, parts)
}

function integer(octets: Buffer): Asn1 {
  return universal(asn1.Type.INTEGER, octets)
}

function octetString(octets: Buffer): Asn1 {
  return universal(asn1.Type.OCTETSTRING, octets)
}

function bitString(octets: Buffer, unusedBits: number): Asn1 {
  return universal(asn1.Type.BITSTRING, Buffer.concat([Buffer.from([unusedBits]), octets]))
}

function yes(): Asn1 {
  return universal(asn1.Type.BOOLEAN, Buffer.from([0xff]))
}

function oid(dotted: string): Asn1 {
  return universal(asn1.Type.OID, Buffer.from(asn1.oidToDer(dotted).getBytes(), 'latin1'))
}
