/**
 * Signs messages as tests want them, honest or not: DKIM and ARC by RFC 6376 and RFC 8617, relaxed/relaxed, written
 * anew here so that the verifier is compared with somebody else. Any tag can be set, left out or made wrong.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export interface Signer {
  readonly domain: string
  readonly selector: string
  readonly privateKey: KeyObject
  /** The name of its key in DNS, and the record there. */
  readonly name: string
  readonly record: string
}

/** Makes a signer with a key of its own. */
export function signerOf(
  domain: string,
  { selector = 'mail', bits = 1_024, exponent = 65_537 } = {},
): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: bits,
    publicExponent: exponent,
  })
  const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  return {
    domain,
    selector,
    privateKey,
    name: `${selector}._domainkey.${domain}`,
    record: `v=DKIM1; k=rsa; p=${key}`,
  }
}

/** Makes a signer with an Ed25519 key. RFC 8463. */
export function ed25519SignerOf(domain: string, selector = 'ed'): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
  return {
    domain,
    selector,
    privateKey,
    name: `${selector}._domainkey.${domain}`,
    record: `v=DKIM1; k=ed25519; p=${key}`,
  }
}

/** Records of signers, for a name server. */
export function recordsOf(...signers: readonly Signer[]): Record<string, string> {
  return Object.fromEntries(signers.map(({ name, record }) => [name, record]))
}

type Tags = Readonly<Record<string, string | null>>

const HEADERS = 'from:to:subject:date'

/**
 * Puts a DKIM-Signature before a message.
 *
 * @param changed tags in place of the usual ones, null to leave one out
 * @param hashed octets of the canonicalized body in its hash, for the tag `l`
 */
export function signed(message: string, signer: Signer, changed: Tags = {}, hashed?: number): string {
  const isEd25519 = signer.privateKey.asymmetricKeyType === 'ed25519'
  const tags: Tags = {
    v: '1',
    a: isEd25519 ? 'ed25519-sha256' : 'rsa-sha256',
    c: 'relaxed/relaxed',
    d: signer.domain,
    s: signer.selector,
    h: HEADERS,
    bh: bodyHash(message, hashed),
    ...changed,
  }
  return `${signatureField('DKIM-Signature', message, tags, signer)}\r\n${message}`
}

function signatureField(name: string, message: string, tags: Tags, signer: Signer): string {
  const written = Object.entries(tags).flatMap(([tag, value]) => (value === null ? [] : [`${tag}=${value}`]))
  const unsigned = `${name}: ${written.join('; ')}; b=`
  const input = [...selected(message, tags.h ?? ''), relaxedField(unsigned)].join('\r\n')
  return `${unsigned}${signatureOf(input, signer, tags.a ?? '')}`
}

function signatureOf(input: string, { privateKey }: Signer, algorithm: string): string {
  const octets = Buffer.from(input, 'latin1')
  if (privateKey.asymmetricKeyType === 'ed25519')
    return sign(null, createHash('sha256').update(octets).digest(), privateKey).toString('base64')
  return sign(algorithm.endsWith('sha1') ? 'sha1' : 'sha256', octets, privateKey).toString('base64')
}

/** Puts an ARC set before a message. @param tags of the seal in place of the usual ones */
export function sealed(message: string, signer: Signer, tags: Tags = {}, results = 'spf=pass'): string {
  const earlier = fieldsOf(message).filter((field) => /^arc-/i.test(field))
  const place = earlier.length / 3 + 1
  const i = String(place)
  const authentication = `ARC-Authentication-Results: i=${i}; mx.example; ${results}`
  const signature = signatureField(
    'ARC-Message-Signature',
    message,
    {
      i,
      a: 'rsa-sha256',
      c: 'relaxed/relaxed',
      d: signer.domain,
      s: signer.selector,
      h: HEADERS,
      bh: bodyHash(message),
    },
    signer,
  )
  const seal = Object.entries({
    i,
    a: 'rsa-sha256',
    cv: place === 1 ? 'none' : 'pass',
    d: signer.domain,
    s: signer.selector,
    ...tags,
  }).flatMap(([tag, value]) => (value === null ? [] : [`${tag}=${value}`]))
  const unsealed = `ARC-Seal: ${seal.join('; ')}; b=`
  // Sets from the first to this one, and in each the results, the signature, the seal. RFC 8617 §5.1.1.
  const sets = [...Array(place - 1).keys()].flatMap((at) => {
    const ofSet = earlier.filter((field) => new RegExp(`^[^:]*:\\s*i=${at + 1};`).test(field))
    return ['arc-authentication-results', 'arc-message-signature', 'arc-seal'].map(
      (name) => ofSet.find((field) => field.toLowerCase().startsWith(`${name}:`)) ?? '',
    )
  })
  const input = [...sets, authentication, signature, unsealed].map(relaxedField).join('\r\n')
  return [`${unsealed}${signatureOf(input, signer, 'rsa-sha256')}`, signature, authentication, message].join(
    '\r\n',
  )
}

function fieldsOf(message: string): readonly string[] {
  return message.slice(0, message.indexOf('\r\n\r\n')).split(/\r\n(?![ \t])/)
}

/** Fields that are signed, each name from the last one upwards. RFC 6376 §5.4.2. */
function selected(message: string, names: string): readonly string[] {
  const left = [...fieldsOf(message)]
  return names.split(':').flatMap((name) => {
    const at = left.findLastIndex((field) => field.toLowerCase().startsWith(`${name.trim().toLowerCase()}:`))
    return at < 0 ? [] : left.splice(at, 1).map(relaxedField)
  })
}

function relaxedField(field: string): string {
  const colon = field.indexOf(':')
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim()
  return `${field.slice(0, colon).toLowerCase().trim()}:${value}`
}

/** The hash of a body that is relaxed. */
export function bodyHash(message: string, most?: number): string {
  const lines = message
    .slice(message.indexOf('\r\n\r\n') + 4)
    .split('\r\n')
    .map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''))
  while (lines.at(-1) === '') lines.pop()
  const body = lines.map((line) => `${line}\r\n`).join('')
  return createHash('sha256').update(body.slice(0, most), 'latin1').digest('base64')
}
