/**
 * Signatures of a message, verified: DKIM of its signers and the ARC chain of those who passed it on. mailauth does
 * the cryptography; this module owns what it gets to see and which of its results count.
 *
 * mailauth 4.13.3 is not made for hostile mail in a process that has more to lose: from ARC-Authentication-Results it
 * lets a sender set properties of every object (`__proto__.x=1`), an expiry beyond all dates makes it throw, it writes
 * to stdout, takes signatures that leave out From, and SHA-1. So it reads signature fields only, of bounded number and
 * length; other fields it signs without reading them; bodies are hashed by {@link BodyHash}. It has no way to the
 * network but {@link KeyLookup}: its modules for BIMI, MTA-STS and reports are never loaded.
 *
 * SPF is not part of it: it judges the address that delivered the message, which POP3 does not tell, and Received
 * fields are text that anybody writes.
 */
import type {
  ArcEntry,
  DkimVerifier,
  HeaderRow,
  SignatureHeader,
  SignatureStatus,
} from 'mailauth/lib/dkim/dkim-verifier.js'
import type { MessageSource } from '../mail/source.js'
import type { NameServer } from '../rules/judge-settings.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { type Adapter, answerOf, type Trouble } from './adapter.js'
import { BodyHash, bodyPieces } from './body-hash.js'
import { KeyLookup, keyName, serverText } from './key-lookup.js'
import type { SignatureLimits } from './limits.js'
import {
  isDomain,
  readSignedHeader,
  type SignedField,
  type SignedHeader,
  senderDomain,
} from './signed-header.js'
import { readingTrouble } from './write-pieces.js'

/** RFC 8301 §3.2. */
const LEAST_KEY_BITS = 1_024

const SET = ['arc-seal', 'arc-message-signature', 'arc-authentication-results']

/**
 * Verifies signatures. The answer depends on the content, and on which keys DNS has now.
 *
 * @param servers name servers; those of the system where there are none
 * @returns as verdict `pass` where a signature of the domain of the one From address is valid, or of one with the same
 *   organisational domain; `unaligned` where only others are; `fail` where none is; `none` where there is none. As
 *   finding each result. A key that could not be looked up is a trouble, where it could make another verdict.
 */
export function signatures(servers: readonly NameServer[], limits: SignatureLimits): Adapter {
  const place = servers.length === 0 ? '' : ` by DNS at ${servers.map(serverText).join(', ')}`
  return {
    subject: `the verifier of signatures${place}`,
    isToldUser: false,
    async ask({ message }, signal) {
      const header = readSignedHeader(message.beginning, limits)
      if (header === null) {
        return answerOf('fail', null, 'the header section is larger than any that is verified')
      }
      const { fields } = header
      const count = (key: string) => fields.filter((field) => field.key === key).length
      const signed = count('dkim-signature')
      if (signed === 0 && !fields.some(({ key }) => SET.includes(key))) return answerOf('none', null, '')
      if (signed > limits.signatures) {
        return answerOf(
          'fail',
          null,
          `${signed} DKIM signatures, of which none is verified: ${limits.signatures} are`,
        )
      }
      const lookup = new KeyLookup(servers, limits)
      const cancel = (): void => lookup.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      try {
        return await verify(message, header, count('arc-seal') <= limits.seals, lookup, limits, signal)
      } catch (error) {
        return readingTrouble(error)
      } finally {
        signal.removeEventListener('abort', cancel)
        lookup.cancel()
      }
    },
  }
}

const GIVEN_UP: Trouble = { trouble: 'was not waited for' }

async function verify(
  message: MessageSource,
  { fields, bodyStart }: SignedHeader,
  isChainRead: boolean,
  lookup: KeyLookup,
  limits: SignatureLimits,
  signal: AbortSignal,
): Promise<JudgeAnswer | Trouble> {
  const mailauth = await load()
  const find = async (name: string) => await lookup.find(name)
  const verifier = new mailauth.DkimVerifier({ resolver: find, minBitLength: LEAST_KEY_BITS })
  verifier.headers = { parsed: fields.map((field) => rowOf(field, isChainRead, limits)) }
  await verifier.messageHeaders(verifier.headers)
  const refusals = new Map<SignatureHeader, string>()
  for (const signature of verifier.signatureHeaders) {
    const refusal = signature.skip === true ? 'it cannot be read' : refusalOf(signature)
    if (refusal === null) continue
    signature.skip = true
    refusals.set(signature, refusal)
  }
  // All names at once: one name server that is slow must not keep back what others know.
  for (const name of namesIn(verifier)) lookup.find(name).catch(() => {})
  if (!(await hashBody(verifier, message, bodyStart, limits.pieceOctets, signal))) return GIVEN_UP
  await verifier.finalChunk()

  const sender = senderDomain(fields)
  const isAligned = (domain: string) => sender !== null && mailauth.getAlignment(sender, [domain]) !== false
  const verified = resultsOf(verifier, refusals, lookup).map((result) => ({
    ...result,
    isAligned: isAligned(result.domain),
  }))
  const chain = isChainRead
    ? await verifyChain(mailauth, verifier, lookup)
    : { words: `arc=fail (more than ${limits.seals} seals)`, failure: null }
  if (signal.aborted) return GIVEN_UP
  return answerFrom(verified, chain, sender)
}

async function load() {
  const [{ DkimVerifier }, { arc }, { getAlignment }] = await Promise.all([
    import('mailauth/lib/dkim/dkim-verifier.js'),
    import('mailauth/lib/arc/index.js'),
    import('mailauth/lib/tools.js'),
  ])
  return { DkimVerifier, arc, getAlignment }
}

type Mailauth = Awaited<ReturnType<typeof load>>

/** Fields that mailauth has to read. What it reads of others is for results that nobody asks for here. */
const IS_READ = new Set(['dkim-signature', 'arc-seal', 'arc-message-signature'])

/** A field as mailauth gets it: what is signed of it is all of it, what can be read is as little as possible. */
function rowOf({ name, key, octets }: SignedField, isChainRead: boolean, limits: SignatureLimits): HeaderRow {
  const signed = octets.toString('latin1')
  const isRead =
    IS_READ.has(key) && octets.length <= limits.fieldOctets && (isChainRead || !SET.includes(key))
  const isResults = key === 'arc-authentication-results' && octets.length <= limits.fieldOctets && isChainRead
  const read = isRead ? octets.toString() : isResults ? `${name}: i=${instanceOf(signed)}` : ''
  return {
    key,
    casedKey: name,
    line: { toString: (encoding?: string) => (encoding === 'binary' ? signed : read) },
  }
}

/** The place of an ARC-Authentication-Results field in its chain, which comes first in it. RFC 8617 §4.1.1. */
function instanceOf(field: string): string {
  return /^[^:]*:\s*i\s*=\s*([0-9]{1,3})\s*;/.exec(field)?.[1] ?? ''
}

const CANONICALIZATION = /^\s*(?:simple|relaxed)\s*(?:\/\s*(?:simple|relaxed)\s*)?$/i

/** Why a signature does not count, whatever mailauth would say of it; null where it may count. */
function refusalOf({ type, parsed, hashAlgo, timestamp, expiration }: SignatureHeader): string | null {
  // Its seal is verified with the chain.
  if (type === 'AS') return 'it is a seal'
  if ([timestamp, expiration].some((date) => date !== null && Number.isNaN(date.getTime())))
    return 'impossible time'
  // mailauth fills in what is left out before a slash, and then throws.
  if (!CANONICALIZATION.test(String(parsed.c?.value ?? 'simple'))) return 'it cannot be read'
  // RFC 8301 §3.1.
  if (hashAlgo === 'sha1') return 'SHA-1 is too weak'
  // RFC 6376 §3.5: what has another version is not of this specification.
  if (type === 'DKIM' && parsed.v?.value !== 1) return 'unknown version'
  // RFC 6376 §5.4.
  const names = String(parsed.h?.value ?? '')
    .toLowerCase()
    .split(':')
  return names.some((name) => name.trim() === 'from') ? null : 'it does not sign From'
}

/** Names of the keys that may be needed. */
function namesIn({ signatureHeaders, arc }: DkimVerifier): readonly string[] {
  const used = signatureHeaders.filter(({ skip }) => skip !== true)
  const names = used.map(({ selector, signingDomain }) => keyName(selector, signingDomain))
  return [...new Set([...names, ...(arc.chain === false ? [] : arc.chain.map(sealKeyOf))])]
}

/** As mailauth names it. */
function sealKeyOf({ 'arc-seal': { parsed } }: ArcEntry): string {
  return keyName(String(parsed.s?.value), String(parsed.d?.value))
}

/** @returns false where nobody waits any more */
async function hashBody(
  { bodyHashes, signatureHeaders }: DkimVerifier,
  message: MessageSource,
  bodyStart: number,
  pieceOctets: number,
  signal: AbortSignal,
): Promise<boolean> {
  const hashes = [...bodyHashes.keys()].map((key) => {
    const [canonicalization, algorithm, length] = key.split(':')
    const hash = new BodyHash(
      canonicalization === 'relaxed' ? 'relaxed' : 'simple',
      algorithm === 'sha1' ? 'sha1' : 'sha256',
      length === undefined || length === '' ? Number.POSITIVE_INFINITY : Number(length),
    )
    return [key, hash] as const
  })
  for (const [key, hash] of hashes) bodyHashes.set(key, hash)
  // With a number, mailauth writes to stdout where the body is shorter than that.
  for (const signature of signatureHeaders) signature.maxBodyLength = String(signature.maxBodyLength)
  const needed = new Set(
    signatureHeaders.filter(({ skip }) => skip !== true).map(({ bodyHashKey }) => bodyHashKey),
  )
  const used = hashes.filter(([key]) => needed.has(key))
  for await (const piece of bodyPieces(message, bodyStart, pieceOctets)) {
    if (signal.aborted) return false
    for (const [, hash] of used) hash.update(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return true
}

/** What became of one DKIM signature. */
interface SignatureResult {
  readonly domain: string
  readonly selector: string
  readonly isValid: boolean
  /** Why not; empty where it is. */
  readonly why: string
  /** Why its key could not be looked up, where that was the reason. */
  readonly failure: string | null
}

function resultsOf(
  { signatureHeaders, results, bodyHashes }: DkimVerifier,
  refusals: ReadonlyMap<SignatureHeader, string>,
  lookup: KeyLookup,
): readonly SignatureResult[] {
  const statuses = results.map(({ status }) => status)
  const ofDkim = signatureHeaders.filter(({ type }) => type === 'DKIM')
  return ofDkim.map((signature) => {
    const { signingDomain, selector, bodyHashKey } = signature
    const at = { domain: signingDomain.trim().toLowerCase(), selector: selector.trim().toLowerCase() }
    const refusal = refusals.get(signature)
    if (refusal !== undefined) return { ...at, isValid: false, why: refusal, failure: null }
    const status = statuses.shift()
    const failure =
      status?.result === 'temperror' ? failureAt(keyName(selector, signingDomain), lookup) : null
    const hash = bodyHashes.get(bodyHashKey ?? '')
    const isWhole = hash instanceof BodyHash && hash.canonicalizedLength === hash.bodyHashedBytes
    const isValid = status?.result === 'pass' && isWhole
    const why = status?.result === 'pass' ? 'it leaves the end of the body unsigned' : whyOf(status)
    return { ...at, isValid, why: isValid ? '' : why, failure }
  })
}

function failureAt(name: string, lookup: KeyLookup): string {
  return `could not look up ${name}: ${lookup.failureOf(name) ?? 'no answer'}`
}

function whyOf(status: SignatureStatus | undefined): string {
  if (status === undefined) return 'it cannot be read'
  if (status.result === 'temperror') return 'its key could not be looked up'
  if (status.policy?.['dkim-rules'] === 'weak-key') return 'weak key'
  const { comment } = status
  return typeof comment === 'string' && COMMENTS.has(comment) ? comment : 'it cannot be verified'
}

/** What mailauth says of a signature that is not valid. Else it quotes an error of the system's. */
const COMMENTS: ReadonlySet<string> = new Set([
  'body hash did not verify',
  'bad signature',
  'expired',
  'invalid expiration',
  'no key',
  'invalid public key',
  'unknown key type',
  'unknown key version',
])

/** What mailauth says of a chain, which may quote the message: without what could look like another result. */
function plain(words: string): string {
  return words
    .replace(/[^A-Za-z0-9 .,_-]+/g, ' ')
    .trim()
    .slice(0, 80)
}

interface ChainResult {
  /** Empty where there is no chain. */
  readonly words: string
  readonly failure: string | null
}

async function verifyChain(
  { arc }: Mailauth,
  verifier: DkimVerifier,
  lookup: KeyLookup,
): Promise<ChainResult> {
  const { chain, lastEntry, error } = verifier.arc
  if (chain === false && error === undefined) return { words: '', failure: null }
  // What mailauth throws here is a chain that it cannot follow.
  const { status } = await arc(verifier.arc, { resolver: async (name) => await lookup.find(name) }).catch(
    () => ({
      status: { result: 'fail', comment: 'it cannot be read' },
    }),
  )
  const last = chain === false ? undefined : lastEntry
  const at = last === undefined ? '' : ` ${placeOf(last)}`
  if (status.result === 'pass') return { words: `arc=pass${at}`, failure: null }
  const names =
    chain === false ? [] : [...chain.map(sealKeyOf), ...(last === undefined ? [] : [messageKeyOf(last)])]
  const failed = names.find((name) => lookup.failureOf(name) !== null)
  const why = plain(status.comment || 'a seal cannot be verified')
  return { words: `arc=fail${at} (${why})`, failure: failed === undefined ? null : failureAt(failed, lookup) }
}

function placeOf({ i, 'arc-seal': { parsed } }: ArcEntry): string {
  return `d=${shown(String(parsed.d?.value ?? ''))} i=${i}`
}

function messageKeyOf({ 'arc-message-signature': { selector, signingDomain } }: ArcEntry): string {
  return keyName(selector, signingDomain)
}

/** A domain or selector that can be nothing else. */
function shown(name: string): string {
  const lower = name.trim().toLowerCase()
  return isDomain(lower) ? lower : '?'
}

function answerFrom(
  results: readonly (SignatureResult & { readonly isAligned: boolean })[],
  chain: ChainResult,
  sender: string | null,
): JudgeAnswer | Trouble {
  const valid = results.filter(({ isValid }) => isValid)
  const words = (some: readonly SignatureResult[]) =>
    some.map(({ domain, selector, isValid, why }) => {
      const at = `d=${shown(domain)} s=${shown(selector)}`
      return isValid ? `dkim=pass ${at}` : `dkim=fail ${at} (${why})`
    })
  // What is valid comes first: the end of a long finding is cut off.
  const finding = [
    ...words(valid),
    chain.words,
    ...(sender === null && results.length > 0 ? ['From has not one address'] : []),
    ...words(results.filter(({ isValid }) => !isValid)),
  ]
    .filter((each) => each !== '')
    .join('; ')
  if (valid.some(({ isAligned }) => isAligned)) return answerOf('pass', null, finding)
  // Another one that is valid and not aligned would change nothing.
  const unknown = results.find(
    ({ failure, isAligned }) => failure !== null && (isAligned || valid.length === 0),
  )
  const failure = unknown?.failure ?? chain.failure
  if (failure !== null) return { trouble: failure }
  if (valid.length > 0) return answerOf('unaligned', null, finding)
  return answerOf(results.length === 0 ? 'none' : 'fail', null, finding)
}
