import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { editMessage } from '../../src/mail/edit.js'
import { describeMessage } from '../../src/mail/message.js'
import { loadRules } from '../../src/rules/rule-set.js'
import type { JudgeAnswer, JudgeAnswers, SessionFields, SessionRules } from '../../src/rules/verdict.js'
import { NOW, SESSION, stepByStep } from '../rules/rules.js'
import { EXAMPLE_FILES, EXAMPLES, exampleRules, exampleText, mailOf, mailWith } from './examples.js'

const NOBODY: JudgeAnswers = new Map()

function verdictOn(
  rules: SessionRules,
  mail: string,
  answers = NOBODY,
  session: Partial<SessionFields> = {},
) {
  return stepByStep(rules, mail, answers, 'delivery', { ...SESSION, ...session })
}

/** What the client gets. */
function delivered(rules: SessionRules, mail: string, answers = NOBODY): string {
  const { verdict } = verdictOn(rules, mail, answers)
  return editMessage(Buffer.from(mail, 'latin1'), verdict.edits).toString('latin1')
}

function namesOfHits(rules: SessionRules, mail: string, answers = NOBODY): readonly string[] {
  return verdictOn(rules, mail, answers).verdict.hits.map(({ rule }) => rule)
}

function command(rules: SessionRules, verb: string, session: Partial<SessionFields>) {
  return rules.command({ verb, argument: '', number: null }, { ...SESSION, ...session })
}

describe('the sample rule files', () => {
  test('are valid all together, as --rules rules/ loads them', () => {
    const { rules, sightBeforeMessage } = loadRules(EXAMPLE_FILES.map((file) => exampleText(file)))
    expect(rules.length).toBeGreaterThanOrEqual(EXAMPLE_FILES.length)
    expect(sightBeforeMessage).toBe('message')
  })

  test.each(EXAMPLE_FILES)(
    '%s is valid alone and says what it does, what it costs, what to change',
    (file) => {
      const { text } = exampleText(file)
      expect(loadRules([{ file, text }]).rules.length).toBeGreaterThan(0)
      for (const part of ['# What it does: ', '# What it costs: ', '# What to change: '])
        expect(text).toContain(part)
      expect(readFileSync(join(EXAMPLES, 'README.md'), 'utf8')).toContain(`](${file})`)
    },
  )

  test('let ordinary mail pass unchanged, where judges find nothing', () => {
    const clean = { verdict: 'clean', score: 0.1, finding: '' }
    const answers: JudgeAnswers = new Map<string, JudgeAnswer>([
      ...['clamd', 'rspamd', 'spamd'].map((name) => [name, clean] as const),
      ['signatures', { verdict: 'pass', score: null, finding: 'dkim=pass d=example.org s=mail' }],
    ])
    for (const file of EXAMPLE_FILES) {
      const mail = mailOf(['From: Bob <bob@example.org>', 'Subject: lunch'])
      expect(verdictOn(exampleRules(file), mail, answers).verdict, file).toMatchObject({
        hits: [],
        edits: [],
        isHidden: false,
        isKeptOnServer: false,
        quarantine: null,
        isLasting: true,
      })
    }
  })
})

describe('10-refuse-clear-logins.yaml', () => {
  const rules = exampleRules('10-refuse-clear-logins.yaml')

  test.each(['USER', 'PASS', 'APOP', 'AUTH'])('refuses %s in the clear from outside', (verb) => {
    for (const client of ['192.0.2.7:4000', '[2001:db8::7]:4000', '172.32.0.1:4000']) {
      expect(command(rules, verb, { client })?.answer).toEqual({
        indicator: '-ERR',
        responseCode: 'SYS/PERM',
        text: `login without TLS is not allowed from ${client}: switch on STARTTLS or SSL/TLS in the mail program`,
        lines: null,
      })
    }
  })

  const INSIDE = ['127.0.0.1:1', '[::1]:1', '10.9.8.7:1', '172.31.255.255:1', '192.168.1.2:1', '[fd00::1]:1']
  test.each<Partial<SessionFields>>([
    { client: '192.0.2.7:4000', clientTls: 'TLSv1.3' },
    ...INSIDE.map((client) => ({ client })),
  ])('lets logins pass within TLS and from inside: %j', (session) => {
    for (const verb of ['USER', 'PASS', 'APOP', 'AUTH']) expect(command(rules, verb, session)).toBeNull()
  })

  test.each(['CAPA', 'STLS', 'QUIT', 'NOOP'])('lets %s pass, without which nobody finds TLS', (verb) => {
    expect(command(rules, verb, { client: '192.0.2.7:4000' })).toBeNull()
  })
})

describe('20-tag-external.yaml', () => {
  const rules = exampleRules('20-tag-external.yaml')

  test.each([
    'bob@example.net',
    'Bob <bob@example.net>',
    '"bob@example.org" <bob@example.net>',
    '=?utf-8?q?bob=40example.org?= <bob@example.net>',
    'bob@example.net =?utf-8?q?bob=40example.org?=',
    'bob@notexample.org',
    'bob@example.org.example.net',
    'bob@example-org',
    'bob@example.net (bob@example.org)',
    'bob@example.net (bob@example.org (c)',
    'bob@example.net, bob@example.org',
    '<bob@example.net>, <bob@example.org>',
    '<>',
  ])('tags mail from %s', (from) => {
    const text = delivered(rules, mailOf([`From: ${from}`, 'Subject: hello']))
    expect(text).toContain('Subject: [external] hello\r\n')
    expect(text).toContain('X-Postern-External: yes\r\n')
  })

  test.each([
    'bob@example.org',
    'Bob <bob@EXAMPLE.org>',
    '"B, O" <b@mail.example.org> ',
    'root@mail.example.org (Cron Daemon)',
    '<bob@example.org>',
    'Bob\r\n <bob@example.org>',
  ])('leaves mail from %s alone', (from) =>
    expect(namesOfHits(rules, mailOf([`From: ${from}`, 'Subject: hello']))).toEqual([]),
  )

  test('takes several domains, as its comments say', () => {
    const several = exampleRules('20-tag-external.yaml', {
      '(?:example\\.org)': '(?:example\\.org|example\\.net)',
    })
    for (const [from, hits] of [
      ['a@example.net', 0],
      ['a@x.example.org', 0],
      ['a@example.com', 1],
    ] as const)
      expect(namesOfHits(several, mailOf([`From: ${from}`])).length, from).toBe(hits)
  })

  test('tags mail without From, mail without Subject, and nothing twice', () => {
    expect(delivered(rules, mailOf(['Subject: x']))).toContain('Subject: [external] x\r\n')
    expect(delivered(rules, mailOf(['From: a@b.example', 'To: c']))).toContain('Subject: [external]')
    const once = delivered(rules, mailOf(['From: a@b.example', 'Subject: x']))
    expect(delivered(rules, once)).toBe(once)
  })

  test('sees the header section and no more', () => {
    expect(verdictOn(rules, mailOf(['From: a@b.example'])).steps).toEqual(['header'])
  })
})

describe('25-forged-senders.yaml', () => {
  const rules = exampleRules('25-forged-senders.yaml')
  const says = (verdict: string, finding: string): JudgeAnswers =>
    new Map([['signatures', { verdict, score: null, finding }]])
  const mail = mailOf(['From: a@example.org', 'Subject: hello'])

  test.each([
    ['fail', 'dkim=fail d=example.org s=mail (bad signature)'],
    ['unaligned', 'dkim=pass d=example.net s=mail'],
  ])('tags mail with the verdict %s', (verdict, finding) => {
    expect(delivered(rules, mail, says(verdict, finding))).toBe(
      mailOf([
        'From: a@example.org',
        'Subject: [unverified sender] hello',
        `X-Postern-Signatures: ${verdict}: ${finding}`,
      ]),
    )
  })

  test.each(['pass', 'none'])('leaves mail with the verdict %s alone', (verdict) => {
    expect(delivered(rules, mail, says(verdict, ''))).toBe(mail)
  })

  test('takes away fields that only look like its own', () => {
    const forged = mailOf(['X-Postern-Signatures: pass', 'From: a@example.org', 'x-postern-signatures: pass'])
    expect(delivered(rules, forged, says('none', ''))).toBe(mailOf(['From: a@example.org']))
  })

  test('lets mail pass where DNS cannot say, and asks again', () => {
    const failed: JudgeAnswers = new Map([['signatures', { failed: 'could not look up x: no answer' }]])
    expect(delivered(rules, mail, failed)).toBe(mail)
    expect(verdictOn(rules, mail, failed).verdict.isLasting).toBe(false)
  })

  test('means all mail of a domain that signs, and leaves lists alone that seal, as its comments say', () => {
    const condition = 'verdict.signatures == "fail" || verdict.signatures == "unaligned"'
    const own = exampleRules('25-forged-senders.yaml', {
      [condition]: 'from.contains("@example.org") && verdict.signatures != "pass"',
    })
    expect(namesOfHits(own, mail, says('none', ''))).toEqual(['unverified sender'])
    expect(namesOfHits(own, mail, says('pass', ''))).toEqual([])
    const lists = exampleRules('25-forged-senders.yaml', {
      [condition]: `(${condition}) && !finding.signatures.contains("arc=pass d=lists.example.org ")`,
    })
    const sealed = (domain: string) =>
      says('fail', `arc=pass d=${domain} i=1; dkim=fail d=example.org s=a (bad)`)
    expect(namesOfHits(lists, mail, sealed('lists.example.org'))).toEqual([])
    expect(namesOfHits(lists, mail, sealed('lists.example.org.example.net'))).toEqual(['unverified sender'])
  })
})

describe('30-virus-clamd.yaml', () => {
  const infected: JudgeAnswers = new Map([
    ['clamd', { verdict: 'infected', score: null, finding: 'Eicar-Test' }],
  ])
  const mail = mailOf(['From: a@example.org', 'Subject: see this'])

  test('puts a virus in quarantine and says so in its place', () => {
    const rules = exampleRules('30-virus-clamd.yaml')
    const { verdict, steps } = verdictOn(rules, mail, infected)
    expect(steps).toEqual(['message', 'judges clamd'])
    expect(verdict.quarantine).toEqual({
      rule: 'virus by clamd',
      reason: 'verdict.clamd == "infected"; clamd: infected, Eicar-Test',
      onFailure: 'deliver',
    })
    expect(verdict.hits[0]?.actions).toEqual([
      'quarantine then notice',
      'mark "Eicar-Test from a@example.org"',
    ])
    const facts = describeMessage(Buffer.from(delivered(rules, mail, infected), 'latin1'))
    expect(facts.subject).toContain('see this')
    expect(facts.text).toContain('clamd found a virus in it: Eicar-Test.')
  })

  test.each([
    ['deliver', { refusal: null, isHidden: false }],
    [
      'refuse',
      {
        refusal: 'the message could not be checked: clamd at 127.0.0.1:3310 refused the connection',
        isHidden: false,
      },
    ],
    ['hold', { refusal: null, isHidden: true, isHeld: true }],
  ])('does what its comments say where clamd is away and on-failure is %s', (policy, expected) => {
    const rules = exampleRules('30-virus-clamd.yaml', { 'on-failure: deliver': `on-failure: ${policy}` })
    const failed: JudgeAnswers = new Map([
      ['clamd', { failed: 'clamd at 127.0.0.1:3310 refused the connection' }],
    ])
    expect(verdictOn(rules, mail, failed).verdict).toMatchObject({
      ...expected,
      edits: [],
      quarantine: null,
      isLasting: false,
      hits: [{ rule: 'virus by clamd', mode: 'failed' }],
    })
  })
})

describe('40-dangerous-attachments.yaml', () => {
  const rules = exampleRules('40-dangerous-attachments.yaml')
  const DANGEROUS = ['dangerous attachments']

  test.each([
    'exe',
    'js',
    'scr',
    'vbs',
    'vb',
    'iso',
    'docm',
    'xlsm',
    'lnk',
    'hta',
    'jar',
    'img',
    'bat',
    'ps1',
  ])('means .%s in any case', (extension) => {
    expect(namesOfHits(rules, mailWith(`; filename="a.${extension}"`))).toEqual(DANGEROUS)
    expect(namesOfHits(rules, mailWith(`; filename="A.${extension.toUpperCase()}"`))).toEqual(DANGEROUS)
  })

  test.each([
    ['a second extension', '; filename="invoice.pdf.exe"'],
    ['many blanks before it', `; filename="invoice.pdf${' '.repeat(60)}.exe"`],
    ['blanks and dots behind it', '; filename="invoice.exe. . "'],
    ['a name that reads from right to left', "; filename*=utf-8''invoice%E2%80%AEfdp.exe"],
    ['an invisible character behind it', "; filename*=utf-8''invoice.exe%E2%80%8B"],
    ['a control behind it', "; filename*=utf-8''invoice.exe%01%00"],
    ['a name in pieces', '; filename*0="invoice.e"; filename*1="xe"'],
    ['a name as an encoded word', '; filename="=?utf-8?q?invoice=2Eexe?="'],
    ['a name longer than is shown', `; filename="${'a'.repeat(600)}.exe"`],
    ['a path', '; filename="..\\\\..\\\\run.exe"'],
  ])('is not taken in by %s', (_trick, disposition) => {
    expect(namesOfHits(rules, mailWith(disposition))).toEqual(DANGEROUS)
  })

  test('means the name of either field, where they differ', () => {
    for (const [name, filename] of [
      ['a.exe', 'a.txt'],
      ['a.txt', 'a.exe'],
    ])
      expect(namesOfHits(rules, mailWith(`; filename=${filename}`, `application/pdf; name=${name}`))).toEqual(
        DANGEROUS,
      )
    expect(namesOfHits(rules, mailWith('; filename=a.txt', 'application/pdf; name=b.txt'))).toEqual([])
  })

  test('means programs without a telling name, and looks into attached messages', () => {
    expect(namesOfHits(rules, mailWith('; filename=a', 'application/x-msdownload'))).toEqual(DANGEROUS)
    const around = mailOf(
      ['From: a@example.org', 'MIME-Version: 1.0', 'Content-Type: message/rfc822'],
      mailWith('; filename=a.exe'),
    )
    expect(namesOfHits(rules, around)).toEqual(DANGEROUS)
  })

  test.each(['report.pdf', 'letter.docx', 'exe.txt', 'how to make an exe', 'a.exe.txt', 'one', 'photo.jpeg'])(
    'leaves %s alone',
    (name) => expect(namesOfHits(rules, mailWith(`; filename="${name}"`))).toEqual([]),
  )

  const archive = (...names: readonly string[]) =>
    zipSync(Object.fromEntries(names.map((name) => [name, Buffer.from(name)])))
  const withArchive = (octets: Uint8Array, filename = 'invoice.zip') =>
    mailWith(`; filename=${filename}`, 'application/zip', octets)

  test.each([
    'a.exe',
    'folder/a.JS',
    'invoice.pdf.scr',
    'a.exe. ',
    'a.exe\u200b',
    'a.exe\0.txt',
    `${'a'.repeat(1_100)}`,
  ])('means an archive with %j in it, whatever the archive calls itself', (name) => {
    for (const filename of ['invoice.zip', 'invoice.pdf'])
      expect(namesOfHits(rules, withArchive(archive('read me.txt', name), filename))).toEqual(DANGEROUS)
  })

  test('means an archive whose names it cannot read', () => {
    const octets = archive('a.txt', 'b.txt')
    expect(namesOfHits(rules, withArchive(octets.subarray(0, -30)))).toEqual(DANGEROUS)
    expect(
      namesOfHits(rules, withArchive(archive(...Array.from({ length: 5_001 }, (_, at) => `${at}`)))),
    ).toEqual(DANGEROUS)
  })

  test.each([
    ['photos', archive('1.jpeg', 'www.example.com/', 'www.example.com/2.jpeg')],
    ['a document', archive('[Content_Types].xml', '_rels/.rels', 'word/document.xml')],
    ['an archive in an archive, which is not opened', archive('inner.zip')],
    ['nothing', archive()],
  ])('leaves an archive with %s alone', (_what, octets) => {
    expect(namesOfHits(rules, withArchive(octets, 'a.docx'))).toEqual([])
  })

  test('keeps the message in quarantine and leaves a notice', () => {
    const mail = mailWith('; filename=a.exe')
    expect(verdictOn(rules, mail).verdict.quarantine).toMatchObject({ onFailure: 'hold' })
    const text = delivered(rules, mail)
    expect(text).toContain('could run a program')
    expect(text).not.toContain('TVqQ')
  })

  test('strips the attachment alone, where a user puts that in its place', () => {
    const { text } = exampleText('40-dangerous-attachments.yaml')
    // As the comment says it, with its # taken away.
    const block = /^# {3}- strip-attachments:\n(?:# {7}.*\n)+/m.exec(text)?.[0].replace(/^# {3}/gm, '      ')
    const own = `rules:\n  - name: strip\n    when: 'true'\n    then:\n${block}`
    const stripping = loadRules([{ file: 'own.yaml', text: own }])
    expect(stripping.rules[0]?.actions.map(({ does }) => does.type)).toEqual(['strip-attachments'])
  })
})

describe('50-spam-rspamd.yaml', () => {
  const rules = exampleRules('50-spam-rspamd.yaml')
  const says = (verdict: string, score: number | null): JudgeAnswers =>
    new Map([['rspamd', { verdict, score, finding: 'BAYES_SPAM, R_DKIM_REJECT' }]])
  const mail = mailOf(['From: a@example.org', 'Subject: win'])

  test.each(['reject', 'add header', 'rewrite subject'])('tags what rspamd would %s', (verdict) => {
    const text = delivered(rules, mail, says(verdict, 7.5))
    expect(text.slice(0, text.indexOf('\r\n\r\n'))).toBe(
      [
        'From: a@example.org',
        'Subject: [spam] win',
        'X-Spam: Yes',
        `X-Spam-Action: ${verdict}`,
        'X-Spam-Score: 7.5',
        'X-Spam-Symbols: BAYES_SPAM, R_DKIM_REJECT',
      ].join('\r\n'),
    )
  })

  test.each(['clean', 'greylist', 'soft reject'])('lets pass what rspamd calls %s', (verdict) => {
    expect(delivered(rules, mail, says(verdict, 4))).toBe(mail)
  })

  test('takes away fields that only look like its own', () => {
    const forged = mailOf(['X-Spam: No', 'x-spam-score: -100', 'From: a@example.org', 'X-Spammer: me'])
    const clean = mailOf(['From: a@example.org', 'X-Spammer: me'])
    expect(delivered(rules, forged, says('clean', 0))).toBe(clean)
  })

  test('lets mail pass where rspamd is away', () => {
    const failed: JudgeAnswers = new Map([['rspamd', { failed: 'rspamd at x refused the connection' }]])
    expect(delivered(rules, mail, failed)).toBe(mail)
  })
})

describe('55-spam-spamassassin.yaml', () => {
  const rules = exampleRules('55-spam-spamassassin.yaml')
  const spam: JudgeAnswers = new Map([['spamd', { verdict: 'spam', score: 6.5, finding: 'GTUBE' }]])
  const mail = mailOf(['From: a@example.org', 'Subject: win'])

  test('tags spam', () => {
    expect(delivered(rules, mail, spam)).toBe(
      mailOf([
        'From: a@example.org',
        'Subject: [spam] win',
        'X-Spam-Flag: YES',
        'X-Spam-Status: Yes, score=6.5 tests=GTUBE',
      ]),
    )
  })

  test('asks nobody about large messages', () => {
    const large = mailOf(['From: a@example.org'], `${'x'.repeat(78)}\r\n`.repeat(6_500))
    expect(verdictOn(rules, large, spam).steps).toEqual(['header'])
  })

  test('takes away fields that only look like its own', () => {
    const clean: JudgeAnswers = new Map([['spamd', { verdict: 'clean', score: 0, finding: '' }]])
    const forged = mailOf(['X-Spam-Status: No', 'X-Spam-Flag: NO', 'X-Spam-Level: ', 'From: a@example.org'])
    expect(delivered(rules, forged, clean)).toBe(mailOf(['From: a@example.org']))
  })
})

describe('60-hide-newsletters.yaml', () => {
  const rules = exampleRules('60-hide-newsletters.yaml')
  const modem = { user: 'modem@example.org' }
  const large = (field: string) =>
    mailOf(['From: a@example.org', field], `${'x'.repeat(78)}\r\n`.repeat(12_600))

  test('hides large newsletters from the modem, by either field', () => {
    for (const field of ['List-Id: <news.example.org>', 'LIST-UNSUBSCRIBE: <mailto:x@example.org>']) {
      const { verdict, steps } = verdictOn(rules, large(field), NOBODY, modem)
      expect(verdict).toMatchObject({ isHidden: true, isHeld: false, isLasting: true })
      expect(steps).toEqual(['header'])
    }
  })

  test('hides nothing else, and looks at nothing else', () => {
    expect(verdictOn(rules, large('X-Other: x'), NOBODY, modem).verdict.isHidden).toBe(false)
    const small = mailOf(['From: a@example.org', 'List-Id: <news.example.org>'])
    expect(verdictOn(rules, small, NOBODY, modem)).toMatchObject({ steps: [], verdict: { isHidden: false } })
    expect(verdictOn(rules, large('List-Id: <x>'))).toMatchObject({ steps: [], verdict: { isHidden: false } })
  })

  test('does so for a listener, as its comments say', () => {
    const changed = exampleRules('60-hide-newsletters.yaml', {
      'user == "modem@example.org" &&': 'listener.endsWith(":1114") &&',
    })
    const listener = 'pop3://0.0.0.0:1114'
    expect(verdictOn(changed, large('List-Id: <x>'), NOBODY, { listener }).verdict.isHidden).toBe(true)
    expect(verdictOn(changed, large('List-Id: <x>')).verdict.isHidden).toBe(false)
  })
})

describe('70-read-only-maildrop.yaml', () => {
  const rules = exampleRules('70-read-only-maildrop.yaml')
  const of = (received: string) => mailOf([`Received: from a by b; ${received}`, 'From: a@example.org'])
  const keeps = (mail: string, user: string) =>
    verdictOn(rules, mail, NOBODY, { user }).verdict.isKeptOnServer

  test('keeps all mail of one user, whatever its age, and looks at none of it', () => {
    const old = of('Mon, 1 Jan 2001 00:00:00 +0000')
    expect(keeps(old, 'debug@example.org')).toBe(true)
    expect(keeps(old, 'alice')).toBe(false)
    expect(rules.sightBeforeListing).toBe('nothing')
    expect(rules.keepsOnServer).toBe(true)
  })

  test('keeps mail of another for a week', () => {
    const age = (ms: number) => of(new Date(NOW - ms).toUTCString().replace('GMT', '+0000'))
    const week = 7 * 86_400_000
    expect(keeps(age(week - 1_000), 'careful@example.org')).toBe(true)
    expect(keeps(age(week), 'careful@example.org')).toBe(false)
    expect(keeps(mailOf(['From: a@example.org']), 'careful@example.org')).toBe(true)
  })
})

describe('90-slow-server.yaml', () => {
  const rules = exampleRules('90-slow-server.yaml')
  const slow = { listener: 'pop3://127.0.0.1:1119' }

  test('is slow on its own listener and nowhere else', () => {
    expect(command(rules, 'PASS', slow)).toMatchObject({ delayMs: 3_000, answer: null, closes: false })
    for (const verb of ['STAT', 'LIST', 'UIDL', 'TOP', 'RETR', 'DELE', 'QUIT'])
      expect(command(rules, verb, slow)).toMatchObject({
        delayMs: 2_000,
        octetsPerSecond: 7_168,
        answer: null,
        closes: false,
      })
    for (const verb of ['CAPA', 'USER', 'NOOP', 'STLS']) expect(command(rules, verb, slow)).toBeNull()
    for (const verb of ['PASS', 'RETR']) expect(command(rules, verb, {})).toBeNull()
  })
})
