import { createRequire } from 'node:module'
import fc from 'fast-check'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { afterEach, describe, expect, it } from 'vitest'
import { createJudges } from '../../src/judge/judges.js'
import { JUDGE_LIMITS, type SignatureLimits } from '../../src/judge/limits.js'
import type { MessageSource } from '../../src/mail/source.js'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { bothWays, piecesSource } from '../support/message-source.js'
import { haveCorpus, readCorpus } from '../support/real.js'
import { freePorts } from '../support/tools.js'
import { type Answer, type NameServerStandIn, nameServer } from './name-server.js'
import { bodyHash, ed25519SignerOf, recordsOf, sealed, signed, signerOf } from './signer.js'
import { type AskOptions, askFor, askOnce, nothingLeft, resources, settings } from './stand-ins.js'

const MAIL = [
  'Received: from a by b',
  'From: Anna <anna@example.org>',
  'To: bob@example.com',
  'Subject: a  longer\r\n\tsubject',
  'Date: Mon, 1 Jun 2026 10:00:00 +0200',
  '',
  'Some  text. ',
  '',
  '.',
  '',
  '',
  '',
].join('\r\n')

const OWN = signerOf('example.org')
const OTHER = signerOf('example.net', { selector: 'news' })
const SUB = signerOf('mail.example.org', { selector: 's2026' })
const ED = ed25519SignerOf('example.org')
const LIST = signerOf('lists.example.com', { selector: 'arc' })
const KEYS = recordsOf(OWN, OTHER, SUB, ED, LIST)

let server: NameServerStandIn | null = null

afterEach(async () => {
  await server?.stop()
  server = null
})

function how(port: number): JudgeHow {
  return { type: 'signatures', dns: [{ host: '127.0.0.1', port }] }
}

async function answerOn(
  message: string | Buffer | MessageSource,
  answers: Readonly<Record<string, Answer>> = KEYS,
  options: AskOptions = {},
) {
  server = await nameServer(answers)
  try {
    const octets = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
    return await askOnce(how(server.port), { ...options, message: octets })
  } finally {
    await server.stop()
  }
}

function withLimits(changed: Partial<SignatureLimits>): AskOptions {
  return { options: { limits: { signatures: { ...JUDGE_LIMITS.signatures, ...changed } } } }
}

const pass = (finding: string) => ({ verdict: 'pass', score: null, finding })
const fail = (finding: string) => ({ verdict: 'fail', score: null, finding })
const unaligned = (finding: string) => ({ verdict: 'unaligned', score: null, finding })
const NONE = { verdict: 'none', score: null, finding: '' }

describe('a signature', () => {
  it('of the domain of From passes, and that of a domain above or below it', async () => {
    expect(await answerOn(signed(MAIL, OWN))).toEqual(pass('dkim=pass d=example.org s=mail'))
    expect(await answerOn(signed(MAIL, SUB))).toEqual(pass('dkim=pass d=mail.example.org s=s2026'))
    const below = MAIL.replace('anna@example.org', 'anna@News.Example.ORG')
    expect(await answerOn(signed(below, OWN))).toMatchObject({ verdict: 'pass' })
  })

  it('of another domain is not aligned, not even of one that shares a public suffix', async () => {
    expect(await answerOn(signed(MAIL, OTHER))).toEqual(unaligned('dkim=pass d=example.net s=news'))
    const one = signerOf('one.co.uk')
    const two = MAIL.replace('anna@example.org', 'anna@two.co.uk')
    expect(await answerOn(signed(two, one), recordsOf(one))).toMatchObject({ verdict: 'unaligned' })
  })

  it('passes where it is one of several, and all of them are told, valid ones first', async () => {
    const broken = signed(MAIL, signerOf('example.com'), { bh: bodyHash('\r\n\r\nother') })
    expect(await answerOn(signed(signed(broken, OTHER), OWN))).toEqual(
      pass(
        'dkim=pass d=example.org s=mail; dkim=pass d=example.net s=news; ' +
          'dkim=fail d=example.com s=mail (body hash did not verify)',
      ),
    )
  })

  it('by Ed25519 passes', async () => {
    expect(await answerOn(signed(MAIL, ED))).toEqual(pass('dkim=pass d=example.org s=ed'))
  })

  it.each(['simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed'])(
    'of another program passes in %s',
    async (canonicalization) => {
      for (const body of ['\r\n\r\n', 'a', 'a \r\n\r\n', '\ta  b\t\r\n \r\nc\r\n\r\n', 'x'.repeat(200_000)]) {
        const message = `${MAIL.slice(0, MAIL.indexOf('\r\n\r\n') + 4)}${body}`
        const signer = {
          canonicalization,
          signingDomain: 'example.org',
          selector: 'mail',
          privateKey: OWN.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
          // Else it looks at the clock twice, and signs another second now and then than it writes.
          signTime: new Date(1_700_000_000_000),
        }
        // Its types want what it does not read beside the list.
        const { signatures } = await dkimSign(Buffer.from(message), { ...signer, signatureData: [signer] })
        expect(await answerOn(`${signatures}${message}`), JSON.stringify(body.slice(0, 40))).toMatchObject({
          verdict: 'pass',
        })
      }
    },
  )

  it('of a message that lies in a file is verified as it is in memory, changed or not', async () => {
    for (const lineEnd of ['\r\n', '\n']) {
      const mail = signed(MAIL.replace('Some', `${`${'x'.repeat(76)}\r\n`.repeat(20_000)}Some`), OWN)
      const message = mail.replaceAll('\r\n', lineEnd)
      for (const source of bothWays(Buffer.from(message, 'latin1')))
        expect(await answerOn(source)).toMatchObject({ verdict: 'pass' })
      for (const source of bothWays(Buffer.from(message.replace('Some', 'Same'), 'latin1')))
        expect(await answerOn(source)).toMatchObject({ verdict: 'fail' })
    }
  })

  it('of a message that cannot be read to its end is a trouble, and no verdict', async () => {
    const message = Buffer.from(signed(MAIL, OWN), 'latin1')
    const source = piecesSource([message.subarray(0, -9)], { octets: message.length })
    expect(await answerOn({ ...source, beginning: message })).toEqual({
      failed: expect.stringContaining('could not be given the whole message: it was said to have'),
    })
    expect(source.open).toBe(0)
  })

  it('passes where lines of the message end with LF alone', async () => {
    expect(await answerOn(signed(MAIL, OWN).replaceAll('\r\n', '\n'))).toMatchObject({ verdict: 'pass' })
  })

  it.each([
    [
      'a changed body',
      (mail: string) => mail.replace('Some  text', 'Other text'),
      'body hash did not verify',
    ],
    ['a changed subject', (mail: string) => mail.replace('longer', 'other'), 'bad signature'],
    ['another sender', (mail: string) => mail.replace('anna@', 'ceo@'), 'bad signature'],
  ])('fails for %s', async (_what, change, why) => {
    expect(await answerOn(change(signed(MAIL, OWN)))).toEqual(fail(`dkim=fail d=example.org s=mail (${why})`))
  })

  it('passes for blanks that were changed, and lines that were folded', async () => {
    const changed = signed(MAIL, OWN)
      .replace('a  longer\r\n\tsubject', 'a longer subject  ')
      .replace('Some  text. ', 'Some text.')
    expect(await answerOn(`${changed}\r\n\r\n`)).toMatchObject({ verdict: 'pass' })
  })

  it('none: nobody is asked, and nothing is found', async () => {
    expect(await askOnce({ type: 'signatures', dns: [] }, { message: Buffer.from(MAIL) })).toEqual(NONE)
    server = await nameServer()
    expect(await askOnce(how(server.port), { message: Buffer.from(MAIL) })).toEqual(NONE)
    for (const octets of ['', '\r\n', '\r\nDKIM-Signature: v=1\r\n', 'x'])
      expect(await askOnce(how(server.port), { message: Buffer.from(octets) }), octets).toEqual(NONE)
    expect(server.asked).toEqual([])
  })
})

describe('a sender', () => {
  it.each([
    ['two From fields', 'From: a@example.org\r\nFrom: Anna <anna@example.org>'],
    ['two addresses', 'From: anna@example.org, b@example.net'],
    ['two addresses in brackets', 'From: <b@example.net> <anna@example.org>'],
    ['a group', 'From: us: anna@example.org;'],
    ['a comment without end', 'From: anna@example.org (b@example.net'],
    ['quotes without end', 'From: "b <anna@example.org>'],
    ['no address', 'From: Anna'],
    ['no domain', 'From: anna@'],
    ['more than an address has', `From: ${'a'.repeat(2_048)} <anna@example.org>`],
  ])('is not known of %s', async (_what, from) => {
    const mail = MAIL.replace('From: Anna <anna@example.org>', from)
    expect(await answerOn(signed(mail, OWN))).toEqual(
      unaligned('dkim=pass d=example.org s=mail; From has not one address'),
    )
  })

  it.each([
    'anna@example.org',
    '<anna@example.org>',
    '"a, b <b@example.net>" <anna@example.org>',
    'b@example.net <anna@example.org>',
    'anna@example.org (Anna (at (home)))',
    '"an na"@example.org',
    'Anna\r\n <anna@example.org>',
  ])('is known of From: %s', async (from) => {
    const mail = MAIL.replace('Anna <anna@example.org>', from)
    expect(await answerOn(signed(mail, OWN))).toMatchObject({ verdict: 'pass' })
  })

  it('of an internationalised domain is the same in either writing', async () => {
    const own = signerOf('xn--bcher-kva.example')
    const mail = Buffer.from(MAIL.replace('example.org', 'bücher.example'), 'utf8').toString('latin1')
    expect(await answerOn(signed(mail, own), recordsOf(own))).toMatchObject({ verdict: 'pass' })
  })
})

describe('a signature that means nothing', () => {
  const why = (words: string) => fail(`dkim=fail d=example.org s=mail (${words})`)

  it.each<[string, Record<string, string | null>, string]>([
    ['leaves out From', { h: 'to:subject:date' }, 'it does not sign From'],
    ['is of SHA-1', { a: 'rsa-sha1' }, 'SHA-1 is too weak'],
    ['is of another version', { v: '2' }, 'unknown version'],
    ['has no version', { v: null }, 'unknown version'],
    ['has expired', { x: '1000000000' }, 'expired'],
    ['expires after all dates', { x: '99999999999999' }, 'impossible time'],
    ['was made after all dates', { t: '1e300' }, 'impossible time'],
    ['names half a canonicalization', { c: '/' }, 'it cannot be read'],
    ['is of an unknown algorithm', { a: 'rsa-md5' }, 'it cannot be read'],
    ['is of an algorithm that only begins as a known one', { a: 'rsa-x-sha256' }, 'it cannot be verified'],
    ['has no selector', { s: null }, ''],
  ])('%s', async (_what, tags, words) => {
    const answer = await answerOn(signed(MAIL, OWN, tags))
    if (words === '') expect(answer).toMatchObject({ verdict: 'fail' })
    else expect(answer).toEqual(why(words))
  })

  it('leaves the end of the body unsigned', async () => {
    const { length } = 'Some text.\r\n\r\n.\r\n'
    const whole = signed(MAIL, OWN, { l: String(length) })
    expect(await answerOn(whole)).toEqual(pass('dkim=pass d=example.org s=mail'))
    expect(await answerOn(`${whole}Pay here: https://example.net\r\n`)).toEqual(
      why('it leaves the end of the body unsigned'),
    )
    for (const most of [0, 1, length - 1])
      expect(await answerOn(signed(MAIL, OWN, { l: String(most) }, most)), String(most)).toMatchObject({
        verdict: 'fail',
      })
  })

  it('says nothing on stdout where it signs more than there is', async () => {
    const said: unknown[] = []
    const { log } = console
    console.log = (...words: unknown[]) => said.push(words)
    try {
      expect(await answerOn(signed(MAIL, OWN, { l: '99999' }))).toMatchObject({ verdict: 'pass' })
    } finally {
      console.log = log
    }
    expect(said).toEqual([])
  })

  it('cannot write another result into the finding', async () => {
    for (const domain of [
      'x (a); dkim=pass d=example.org',
      'example.org\x1b[2J',
      'a b',
      '-',
      `${'a'.repeat(64)}.org`,
    ]) {
      const answer = await answerOn(signed(MAIL, OWN, { d: domain, s: 'x;dkim=pass' }))
      expect(answer).toMatchObject({ verdict: 'fail' })
      expect(JSON.stringify(answer)).not.toMatch(/dkim=pass|u001b/)
    }
  })
})

describe('a key', () => {
  const of = async (answer: Answer | undefined) =>
    await answerOn(signed(MAIL, OWN), answer === undefined ? {} : { [OWN.name]: answer })

  it.each<[string, Answer | undefined, string]>([
    ['that does not exist', undefined, 'no key'],
    ['that is no text', 'no-data', 'no key'],
    ['that was withdrawn', 'v=DKIM1; p=', 'invalid public key'],
    ['that is none', 'v=DKIM1; p=AAAA', 'unknown key type'],
    ['that is no base64', 'v=DKIM1; p=%%%%', 'invalid public key'],
    ['that is empty', '', 'invalid public key'],
    ['of another version', OWN.record.replace('DKIM1', 'DKIM2'), 'unknown key version'],
    ['of somebody else', OTHER.record, 'bad signature'],
    ['of another kind', OWN.record.replace('k=rsa', 'k=ed25519'), 'unknown key type'],
    ['that is too weak', signerOf('example.org', { bits: 768 }).record, 'weak key'],
  ])('%s makes the signature fail', async (_what, answer, why) => {
    expect(await of(answer)).toEqual(fail(`dkim=fail d=example.org s=mail (${why})`))
  })

  it('counts beside another record of its name, and over TCP where it does not fit or is cut off', async () => {
    expect(await of(['something else', OWN.record])).toMatchObject({ verdict: 'pass' })
    expect(await of({ truncated: OWN.record })).toMatchObject({ verdict: 'pass' })
    expect(server?.asked).toEqual([OWN.name, `TCP ${OWN.name}`])
    const large = signerOf('example.org', { bits: 4_096 })
    expect(await answerOn(signed(MAIL, large), recordsOf(large))).toMatchObject({ verdict: 'pass' })
  })

  it('is read up to a bound, and no further', async () => {
    const padded = (octets: number) => `${OWN.record}; n=${'x'.repeat(octets - OWN.record.length - 4)}`
    expect(await of(padded(2_048))).toMatchObject({ verdict: 'pass' })
    expect(await of(padded(2_049))).toEqual(fail('dkim=fail d=example.org s=mail (invalid public key)'))
    expect(await of(padded(60_000))).toMatchObject({ verdict: 'fail' })
    expect(await of(Array.from({ length: 200 }, () => padded(250)))).toMatchObject({ verdict: 'pass' })
  })

  it.each<[string, Answer, RegExp]>([
    ['the name server fails', 'SERVFAIL', /the name server failed$/],
    ['the name server refuses', 'REFUSED', /the name server refused$/],
    ['its answer cannot be read', 'garbage', /(gave no readable answer|no name server answered)$/],
    ['nobody answers', 'silence', /no name server answered$/],
  ])('is not known where %s, and neither is the verdict', async (_what, answer, reason) => {
    const options = withLimits({ lookupMs: 100, lookupTries: 1 })
    const said = await answerOn(signed(MAIL, OWN), { [OWN.name]: answer }, options)
    expect(said).toEqual({
      failed: expect.stringMatching(
        /^the verifier of signatures by DNS at 127\.0\.0\.1:\d+ could not look up mail\._domainkey\.example\.org: /,
      ),
    })
    expect(JSON.stringify(said).replace(/"}$/, '')).toMatch(reason)
  })

  it('is not known where no name server listens', async () => {
    const [port = 0] = await freePorts(1)
    const message = Buffer.from(signed(MAIL, OWN), 'latin1')
    expect(await askOnce(how(port), { ...withLimits({ lookupMs: 100, lookupTries: 1 }), message })).toEqual({
      failed: expect.stringMatching(/no name server (listens|answered)$/),
    })
  })

  it('is given up with the budget, and nothing is left', async () => {
    server = await nameServer({ [OWN.name]: 'silence' })
    const before = resources()
    const message = Buffer.from(signed(MAIL, OWN), 'latin1')
    expect(await askOnce(how(server.port), { message, changed: { budgetMs: 150 } })).toEqual({
      failed: expect.stringMatching(/gave no answer within 150 ms$/),
    })
    await nothingLeft(before)
  })

  it('of nobody who matters keeps no verdict back', async () => {
    const options = withLimits({ lookupMs: 100, lookupTries: 1 })
    const silent = signerOf('silent.example')
    const answers = { ...KEYS, [silent.name]: 'SERVFAIL' as const }
    expect(await answerOn(signed(signed(MAIL, silent), OWN), answers, options)).toEqual(
      pass(
        'dkim=pass d=example.org s=mail; dkim=fail d=silent.example s=mail (its key could not be looked up)',
      ),
    )
    expect(await answerOn(signed(signed(MAIL, silent), OTHER), answers, options)).toMatchObject({
      verdict: 'unaligned',
    })
    // It could have been aligned, or the only one that is valid.
    const own = { ...KEYS, [OWN.name]: 'SERVFAIL' as const }
    expect(await answerOn(signed(signed(MAIL, OTHER), OWN), own, options)).toHaveProperty('failed')
    const broken = signed(MAIL, OWN).replace('longer', 'other')
    expect(await answerOn(signed(broken, silent), answers, options)).toHaveProperty('failed')
  })

  it('is the only thing that is asked for: what else could reach a network is not even loaded', async () => {
    expect(await answerOn(signed(MAIL, OWN))).toMatchObject({ verdict: 'pass' })
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    expect(loaded.some((file) => file.endsWith('/mailauth/lib/dkim/dkim-verifier.js'))).toBe(true)
    expect(
      loaded.filter((file) => /\/mailauth\/lib\/(?:bimi|spf|dmarc|mta-sts)|\/(?:undici|vmc)\//.test(file)),
    ).toEqual([])
  })

  it('never makes verifying fail, whatever its record is', async () => {
    const answers: Record<string, Answer> = {}
    server = await nameServer(answers)
    const judge = { ...how(server.port) }
    const piece = fc.oneof(
      fc.constantFrom(
        'v=DKIM1',
        'k=rsa',
        'k=ed25519',
        'k=',
        'p=',
        'p=AAAA',
        `p=${ED.record.slice(-44)}`,
        '__proto__=',
        't=s',
      ),
      fc.string({ maxLength: 20 }),
    )
    const record = fc.oneof(
      fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('; ')),
      fc
        .array(fc.tuple(fc.nat(OWN.record.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
        .map((changes) =>
          changes.reduce(
            (text, [at, code]) => `${text.slice(0, at)}${String.fromCharCode(code)}${text.slice(at + 1)}`,
            OWN.record,
          ),
        ),
    )
    const message = Buffer.from(sealed(signed(MAIL, OWN), OWN), 'latin1')
    await fc.assert(
      fc.asyncProperty(record, async (text) => {
        answers[OWN.name] = [text]
        expect(await askOnce(judge, { message })).toMatchObject({
          verdict: expect.stringMatching(/^(?:pass|fail)$/),
        })
      }),
      { numRuns: 400 },
    )
  })

  it('is asked for once, by no name that is none, and at no other place', async () => {
    server = await nameServer(KEYS)
    const message = signed(signed(signed(MAIL, OWN), OWN), OWN, { d: 'a b.example', s: 'x/y' })
    await askOnce(how(server.port), { message: Buffer.from(message, 'latin1') })
    expect(server.asked).toEqual([OWN.name])
  })
})

describe('an ARC chain', () => {
  const list = (mail: string) => mail.replace('longer', '[list] longer').replace('Some', 'Our')

  it('tells who passed the message on', async () => {
    expect(await answerOn(sealed(signed(MAIL, OWN), LIST))).toEqual(
      pass('dkim=pass d=example.org s=mail; arc=pass d=lists.example.com i=1'),
    )
    // As a mailing list does it: what it changes breaks the signature of the sender.
    const changed = list(signed(MAIL, OWN))
    expect(await answerOn(sealed(sealed(changed, OTHER), LIST))).toEqual(
      fail('arc=pass d=lists.example.com i=2; dkim=fail d=example.org s=mail (body hash did not verify)'),
    )
    expect(await answerOn(sealed(MAIL, LIST))).toEqual({
      ...NONE,
      finding: 'arc=pass d=lists.example.com i=1',
    })
  })

  it.each([
    ['the message was changed', (mail: string) => list(mail), /i 2 no valid signature/],
    [
      'a result was changed',
      (mail: string) => mail.replace('spf=pass', 'spf=fail'),
      /seal signature validation/,
    ],
    [
      'a set is missing',
      (mail: string) => mail.replace(/^arc-seal: i=1/gim, 'X-Seal: i=1'),
      /i 1 no arc-seal set/,
    ],
    ['it says so', (mail: string) => mail.replace('cv=pass', 'cv=fail'), /i 2 cv fail/],
  ])('fails where %s', async (_what, change, why) => {
    const answer = await answerOn(change(sealed(sealed(MAIL, OTHER), LIST)))
    expect(answer).toMatchObject({ verdict: 'none', finding: expect.stringMatching(/^arc=fail/) })
    expect(answer).toMatchObject({ finding: expect.stringMatching(why) })
  })

  it('is not known where a key of it cannot be looked up, unless the sender passes', async () => {
    const options = withLimits({ lookupMs: 100, lookupTries: 1 })
    const answers = { ...KEYS, [OTHER.name]: 'SERVFAIL' as const }
    const chain = sealed(sealed(MAIL, OTHER), LIST)
    expect(await answerOn(chain, answers, options)).toEqual({
      failed: expect.stringMatching(
        /could not look up news\._domainkey\.example\.net: the name server failed$/,
      ),
    })
    expect(await answerOn(sealed(sealed(signed(MAIL, OWN), OTHER), LIST), answers, options)).toMatchObject({
      verdict: 'pass',
    })
    expect(await answerOn(chain, recordsOf(LIST))).toMatchObject({ verdict: 'none' })
  })

  it('is verified up to a length, and no further', async () => {
    const chained = (length: number) =>
      Array.from({ length }).reduce<string>((mail) => sealed(mail, LIST), MAIL)
    expect(await answerOn(chained(4), KEYS, withLimits({ seals: 4 }))).toMatchObject({
      finding: 'arc=pass d=lists.example.com i=4',
    })
    expect(await answerOn(chained(5), KEYS, withLimits({ seals: 4 }))).toMatchObject({
      verdict: 'none',
      finding: 'arc=fail (more than 4 seals)',
    })
    expect(await answerOn(chained(20))).toMatchObject({ finding: 'arc=pass d=lists.example.com i=20' })
  })

  it('gives nobody power over objects of this process', async () => {
    const results = 'dkim=pass __proto__.polluted=yes constructor.prototype.polluted=yes'
    const answer = await answerOn(sealed(MAIL, LIST, {}, results))
    expect(answer).toMatchObject({ finding: 'arc=pass d=lists.example.com i=1' })
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })
})

describe('a hostile message', () => {
  it('with many signatures has none verified beyond a bound', async () => {
    const many = (count: number) =>
      Array.from({ length: count }).reduce<string>((mail) => signed(mail, OWN), MAIL)
    expect(await answerOn(many(10))).toMatchObject({ verdict: 'pass' })
    expect(await answerOn(many(11))).toEqual(fail('11 DKIM signatures, of which none is verified: 10 are'))
    expect(server?.asked).toEqual([])
    const field = signed(MAIL, OWN).slice(0, -MAIL.length)
    expect(await answerOn(`${field.repeat(400)}${MAIL}`)).toMatchObject({
      verdict: 'fail',
      finding: expect.stringContaining('400 DKIM signatures'),
    })
  })

  it('with a long signature, a long header section or many fields has none verified', async () => {
    const padded = (octets: number) => {
      const field = signed(MAIL, OWN).slice(0, -MAIL.length - 2)
      const padding = ` z=${'x'.repeat(octets - field.length - 4)};`
      return signed(MAIL, OWN, { z: 'x'.repeat(padding.length - 4) })
    }
    expect(await answerOn(padded(8_192))).toMatchObject({ verdict: 'pass' })
    expect(await answerOn(padded(8_300))).toEqual(fail('dkim=fail d=? s=? (it cannot be read)'))
    const beyond = fail('the header section is larger than any that is verified')
    const behind = (fields: string) =>
      `${signed(MAIL, OWN).replace('Received: from a by b\r\n', '')}`.replace(/^/, fields)
    expect(await answerOn(behind('A: b\r\n'.repeat(995)))).toMatchObject({ verdict: 'pass' })
    expect(await answerOn(behind('A: b\r\n'.repeat(996)))).toEqual(beyond)
    expect(await answerOn(behind(`A: ${'b'.repeat(200_000)}\r\n`))).toMatchObject({ verdict: 'pass' })
    expect(await answerOn(behind(`A: ${'b'.repeat(262_200)}\r\n`))).toEqual(beyond)
    expect(await answerOn('A: b\r\n'.repeat(2_000_000))).toEqual(beyond)
    expect(await answerOn(Buffer.alloc(1_000_000, ' \n'))).toEqual(beyond)
  })

  it('never fails to be asked about, whatever the octets are', async () => {
    server = await nameServer(KEYS)
    const judges = createJudges([settings(how(server.port))])
    const real = [signed(MAIL, OWN), sealed(sealed(signed(MAIL, OTHER), OTHER), LIST)]
    const pieces = [
      'DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=mail; h=from; bh=; b=',
      'ARC-Seal: i=1; cv=none; a=rsa-sha256; d=example.org; s=mail; b=x',
      'ARC-Message-Signature: i=1; a=rsa-sha256; d=example.org; s=mail; h=from; bh=x; b=x',
      'ARC-Authentication-Results: i=1; x; __proto__.x=y',
      'From: a@example.org',
      '__proto__: x',
      'constructor: x',
      '',
      ...['v', 'a', 'c', 'd', 'h', 'i', 'l', 's', 't', 'x', 'b', 'bh', '__proto__'].map((tag) => ` ${tag}=`),
    ]
    const mutated = fc
      .tuple(fc.constantFrom(...real), fc.array(fc.tuple(fc.nat(1_500), fc.nat(255)), { maxLength: 10 }))
      .map(([mail, changes]) => {
        const octets = Buffer.from(mail, 'latin1')
        for (const [at, value] of changes) octets[at % octets.length] = value
        return octets
      })
    const invented = fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary', maxLength: 20 })), {
        maxLength: 15,
      })
      .map((lines) => Buffer.from(lines.join('\r\n')))
    const tag = fc.oneof(
      fc.constantFrom(
        null,
        '',
        '0',
        '-1',
        '1e999',
        'NaN',
        'relaxed',
        'simple/',
        '/',
        'from',
        '*',
        'rsa-sha256',
        '__proto__',
      ),
      fc.string({ maxLength: 10 }).map((text) => text.replace(/[\r\n]/g, ' ')),
    )
    // Valid but for what a tag says, so that it is taken further.
    const odd = fc
      .dictionary(
        fc.constantFrom('v', 'a', 'c', 'd', 'h', 'i', 'l', 'q', 's', 't', 'x', 'z', 'bh', 'cv'),
        tag,
        {
          maxKeys: 2,
        },
      )
      .map((tags) => Buffer.from(sealed(signed(MAIL, OWN, tags), LIST, tags), 'latin1'))
    try {
      await fc.assert(
        fc.asyncProperty(fc.oneof(mutated, invented, odd), async (message) => {
          const answer = await askFor('j', judges, message)
          if ('failed' in answer) expect(answer.failed).toContain('could not look up')
          else expect(['pass', 'unaligned', 'fail', 'none']).toContain(answer.verdict)
        }),
        { numRuns: 1_500 },
      )
    } finally {
      judges.close()
    }
    expect(Reflect.get({}, 'x')).toBeUndefined()
  }, 60_000)

  it.each([
    ['one line', Buffer.alloc(4_000_000, 'x')],
    ['empty lines', Buffer.alloc(4_000_000, '\r\n')],
    ['line feeds', Buffer.alloc(4_000_000, '\n')],
    ['lines of a tab', Buffer.alloc(4_000_000, '\t\r\n')],
    ['blanks', Buffer.alloc(4_000_000, ' ')],
    ['carriage returns', Buffer.alloc(4_000_000, '\r')],
  ])('with a body of nothing but %s takes memory in proportion', async (_what, body) => {
    const head = Buffer.from(signed(MAIL, OWN).split('\r\n\r\n')[0] ?? '')
    const before = process.memoryUsage().rss
    expect(await answerOn(Buffer.concat([head, Buffer.from('\r\n\r\n'), body]))).toMatchObject({
      verdict: 'fail',
    })
    expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000)
  })
})

describe('real mail', () => {
  it.skipIf(!haveCorpus())(
    'of the corpus gets an answer, with name servers that know nothing, or fail',
    async () => {
      for (const happens of ['nothing', 'SERVFAIL'] as const) {
        server = await nameServer(
          new Proxy({}, { get: () => (happens === 'nothing' ? undefined : happens) }) as Record<
            string,
            Answer
          >,
        )
        const judges = createJudges([settings(how(server.port))])
        const counts: Record<string, number> = {}
        for (const { content } of readCorpus()) {
          const answer = await askFor('j', judges, content)
          const word = 'failed' in answer ? 'trouble' : answer.verdict
          counts[word] = (counts[word] ?? 0) + 1
          if ('failed' in answer) expect(answer.failed).toContain('could not look up')
          else expect(['fail', 'none']).toContain(answer.verdict)
        }
        expect(counts.none).toBeGreaterThan(400)
        expect((happens === 'nothing' ? counts.fail : counts.trouble) ?? 0).toBeGreaterThan(20)
        judges.close()
        await server.stop()
      }
    },
  )
})
