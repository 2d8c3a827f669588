import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../src/expression/filter.js'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { describeMessage } from '../../src/mail/message.js'
import { expectGrowth } from '../support/growth.js'
import { haveCorpus, readCorpus } from '../support/real.js'

const MAIL = [
  'From: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>',
  'To: alice@example.org',
  'Subject: Invoice 7',
  'Date: Mon, 1 Jun 2026 10:00:00 +0200',
  'Message-ID: <1@example.org>',
  'Received: first',
  'Received: second',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; name=terms.txt',
  '',
  'terms',
  '--b',
  'Content-Type: text/plain',
  '',
  'Please pay.',
  '--b',
  'Content-Type: application/pdf; name="invoice.pdf"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment',
  '',
  'JVBERi0=',
  '--b--',
  '',
].join('\r\n')

const describeText = (text: string) => describeMessage(Buffer.from(text, 'latin1'))

describe('describeMessage', () => {
  test('tells a second name of an attachment, of the Content-Type, where it is another one', () => {
    const attachments = (name: string, filename: string) =>
      describeMessage(
        Buffer.from(
          `Content-Type: application/pdf; name="${name}"\r\nContent-Disposition: attachment; filename="${filename}"\r\n\r\nx\r\n`,
        ),
      ).attachments
    expect(attachments('a.exe', 'a.pdf')).toMatchObject([{ name: 'a.pdf', otherName: 'a.exe' }])
    expect(attachments('a.pdf', 'a.pdf')[0]).not.toHaveProperty('otherName')
  })

  test('tells what people look for', () => {
    const facts = describeText(MAIL)
    expect(facts.subject).toBe('Invoice 7')
    expect(facts.from).toBe('Jürgen <j@example.org>')
    expect(facts.to).toBe('alice@example.org')
    expect(facts.date).toBe('Mon, 1 Jun 2026 10:00:00 +0200')
    expect(facts.messageId).toBe('<1@example.org>')
    expect(facts.headers.get('received')).toBe('first')
    expect(facts.octets).toBe(MAIL.length)
    expect(facts.attachments).toEqual([
      { path: '1.1', name: 'terms.txt', type: 'text/plain', size: 5, files: [], isUnlisted: false },
      {
        path: '1.3',
        name: 'invoice.pdf',
        type: 'application/pdf',
        size: 5,
        files: [],
        isUnlisted: false,
      },
    ])
    expect(facts.text).toBe('Please pay.')
  })

  test('has null for a header that is not there, and the text of what there is', () => {
    const facts = describeText('\r\nhello\r\n')
    expect(facts).toMatchObject({
      subject: null,
      from: null,
      to: null,
      date: null,
      messageId: null,
      text: 'hello',
    })
    expect(facts.attachments).toEqual([])
  })

  test('reads HTML where there is no plain text, and a named text where there is no other', () => {
    const head = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'
    expect(describeText(`${head}Content-Type: text/html\r\n\r\n<b>hi</b>\r\n--b--`).text).toBe('hi')
    expect(describeText(`${head}Content-Type: text/plain; name=a.txt\r\n\r\nnamed\r\n--b--`).text).toBe(
      'named',
    )
    expect(describeText(`${head}Content-Disposition: attachment\r\n\r\nhidden\r\n--b--`).text).toBe('')
  })

  test('gives what a filter takes', () => {
    const { attachments, headers } = describeText(MAIL)
    const fields = { attachments, header: headers }
    const holds = (text: string): boolean => parseFilter(text).matches(fields, () => '')
    expect(holds('attachments.exists(a, a.name.endsWith(".pdf") && a.size == 5)')).toBe(true)
    expect(holds('attachments[1].type == "application/pdf"')).toBe(true)
    expect(holds('header["Received"] == "first"')).toBe(true)
  })

  test('never fails and tells nothing harmful, whatever the octets are', () => {
    const lines = MAIL.split('\r\n')
    const spoilt = fc
      .array(fc.oneof(fc.constantFrom(...lines), fc.string({ unit: 'binary', maxLength: 20 })), {
        maxLength: 30,
      })
      .map((some) => Buffer.from(some.join('\r\n')))
    const anything = fc.oneof(
      spoilt,
      fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    )
    fc.assert(
      fc.property(anything, (octets) => expectHarmless(octets)),
      { numRuns: 2_000 },
    )
  })

  test.skipIf(!haveCorpus())('describes every mail of the corpus, whole and cut short', () => {
    const corpus = readCorpus()
    expect(corpus.length).toBeGreaterThan(400)
    for (const { content } of corpus) {
      expectHarmless(content)
      expectHarmless(content.subarray(0, content.length >> 1))
    }
  })

  test.skipIf(!haveCorpus())('costs no more for a mail of the corpus where many are forwarded in one', () => {
    const mails = readCorpus().filter(({ content }, index) => index % 12 === 0 && content.length < 65_536)
    const limits = { ...MAIL_LIMITS, parts: 100_000, boundaryLines: 1_000_000 }
    expectGrowth('linear', { from: 1 }, (copies) => {
      const forwarded = Array.from({ length: copies }, () => mails).flat()
      const octets = Buffer.concat([
        Buffer.from('Subject: many\r\nContent-Type: multipart/digest; boundary=forwarded\r\n'),
        ...forwarded.flatMap(({ content }) => [Buffer.from('\r\n--forwarded\r\n\r\n'), content]),
        Buffer.from('\r\n--forwarded--\r\n'),
      ])
      return () => {
        const { subject, text, attachments } = describeMessage(octets, limits)
        return [subject, text, ...attachments.map(({ size }) => size)]
      }
    })
  })

  test.skipIf(!haveCorpus())('finds in the corpus what is known to be in it', () => {
    const corpus = readCorpus()
    const facts = corpus.map(({ content }) => describeMessage(content))
    const withSubject = facts.filter(({ subject }) => subject !== null)
    const withAttachments = facts.filter(({ attachments }) => attachments.length > 0)
    const withText = facts.filter(({ text }) => text !== '')
    expect(withSubject.length / corpus.length).toBeGreaterThan(0.7)
    expect(withText.length / corpus.length).toBeGreaterThan(0.6)
    expect(withAttachments.length).toBeGreaterThan(50)
    const japanese = corpus.find(({ file }) => file === 'mimekit-messages-japanese.eml')
    if (japanese === undefined) throw new Error('the corpus lacks mimekit-messages-japanese.eml')
    expect(describeMessage(japanese.content).subject).toBe('日本語メールテスト (testing Japanese emails)')
  })
})

function expectHarmless(octets: Buffer): void {
  const facts = describeMessage(octets)
  const { subject, from, to, date, messageId } = facts
  const lines = [subject, from, to, date, messageId, ...facts.headers.values(), ...facts.text.split('\n')]
  for (const { path, type, charset, encoding, name, disposition } of facts.outline.parts) {
    lines.push(path, type, charset, encoding, name, disposition)
  }
  for (const { name, type, size } of facts.attachments) {
    lines.push(name, type)
    expect(size).toBeLessThanOrEqual(octets.length)
  }
  for (const line of lines) expect(line ?? '').not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
}
