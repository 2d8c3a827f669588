import { describe, expect, it } from 'vitest'
import { sampleMessages } from '../../src/demo/messages.js'

const messages = sampleMessages()
const octetsOf = (name: string) => {
  const found = messages.find((message) => message.name === name)
  if (found === undefined) throw new Error(`no sample message ${name}`)
  return found.octets
}

/** Where windows-1252 differs from ISO 8859-1, as far as the sample message goes. */
const WINDOWS_1252: ReadonlyMap<number, string> = new Map([
  [0x80, '€'],
  [0x85, '…'],
  [0x8c, 'Œ'],
  [0x92, '’'],
  [0x93, '“'],
  [0x94, '”'],
  [0x96, '–'],
])

/** Node 20 decodes windows-1252 as ISO 8859-1, so that TextDecoder is no judge of it. */
function windows1252(octets: Buffer): string {
  return octets.toString('latin1').replace(/[\x80-\x9f]/g, (character) => {
    const found = WINDOWS_1252.get(character.charCodeAt(0))
    if (found === undefined) throw new Error(`nothing is known of ${JSON.stringify(character)}`)
    return found
  })
}

describe('the sample messages', () => {
  it('are a few dozen, each with a name of its own', () => {
    expect(messages.length).toBeGreaterThanOrEqual(30)
    expect(new Set(messages.map(({ name }) => name)).size).toBe(messages.length)
  })

  it('are the same octets each time', () => {
    expect(sampleMessages()).toEqual(messages)
  })

  it.each(messages)('$name: has whole lines, each with CRLF, and no bare CR or LF', ({ octets }) => {
    const text = octets.toString('latin1')
    expect(text.endsWith('\r\n')).toBe(true)
    expect(text).not.toMatch(/\r(?!\n)|(?<!\r)\n/)
  })

  it.each(messages)('$name: begins with a header field, never with a dot or a blank line', ({ octets }) => {
    expect(octets.toString('latin1')).toMatch(/^[A-Za-z-]+: /)
  })

  it.each(messages)('$name: names nobody outside the reserved domains', ({ octets }) => {
    // Encoded parts may hold an @ by chance only within base64, which does not have it.
    const domains = [...octets.toString('latin1').matchAll(/@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)/g)]
    for (const [, domain] of domains) expect(domain).toMatch(/(^|\.)example\.(com|org)$/)
  })

  it('have texts in the charsets they name', () => {
    const bodyOf = (name: string): Buffer => {
      const octets = octetsOf(name)
      return octets.subarray(octets.indexOf('\r\n\r\n') + 4)
    }
    const decoded = (name: string, charset: string) =>
      new TextDecoder(charset, { fatal: true }).decode(bodyOf(name))
    const latin1 = bodyOf('latin1').toString('latin1')
    expect(latin1).toContain('Schöne Grüße aus Köln!')
    expect(latin1).not.toMatch(/[\u0080-\u009f]/)
    const french = windows1252(bodyOf('windows-1252'))
    expect(french).toContain('voici le devis – 1\u00a0250\u00a0€ pour “l’escalier en chêne”')
    expect(french).toContain('que Œdipe aurait eu moins de marches…')
    expect(decoded('iso-2022-jp', 'iso-2022-jp')).toContain('桜が咲きました。')
    expect(decoded('many-scripts', 'utf-8')).toContain('你好')
    const koi8 = Buffer.from(decoded('koi8-r', 'utf-8'), 'base64')
    expect(new TextDecoder('koi8-r').decode(koi8)).toBe('Встреча в четверг.\r\n')
  })

  it('have the two large ones at about 200 KiB and 2 MiB', () => {
    expect(octetsOf('picture').length / 1024).toBeCloseTo(202, -1)
    expect(octetsOf('recording').length / 1024 / 1024).toBeCloseTo(2, 1)
  })

  it('have attachments that are what they say', () => {
    const attachmentOf = (name: string, type: string) => {
      const text = octetsOf(name).toString('latin1')
      const from = text.indexOf('\r\n\r\n', text.indexOf(`Content-Type: ${type}`)) + 4
      return Buffer.from(text.slice(from, text.indexOf('\r\n--', from)), 'base64')
    }
    const bitmap = attachmentOf('picture', 'image/bmp')
    expect(bitmap.toString('latin1', 0, 2)).toBe('BM')
    expect(bitmap.readUInt32LE(2)).toBe(bitmap.length)
    const wave = attachmentOf('recording', 'audio/wav')
    expect(wave.toString('latin1', 8, 12)).toBe('WAVE')
    expect(wave.readUInt32LE(40)).toBe(wave.length - 44)
    const pdf = attachmentOf('invoice', 'application/pdf').toString('latin1')
    const table = Number(/startxref\n(\d+)\n%%EOF/.exec(pdf)?.[1])
    expect(pdf.slice(table, table + 4)).toBe('xref')
    const offsets = [...pdf.slice(table).matchAll(/^(\d{10}) 00000 n $/gm)].map(([, offset]) =>
      Number(offset),
    )
    expect(offsets.map((offset) => pdf.slice(offset, offset + 7))).toEqual(
      [1, 2, 3, 4, 5].map((object) => `${object} 0 obj`),
    )
  })

  it('have the dots, escapes and lengths that they promise', () => {
    expect(octetsOf('lone-dot').includes('\r\n.\r\n.\r\n.\r\n')).toBe(true)
    expect(octetsOf('dot-first').includes('\r\n\r\n.\r\n')).toBe(true)
    expect(octetsOf('leading-dots').includes('\r\n..\r\n')).toBe(true)
    expect(octetsOf('escape-sequences').includes(0x9b)).toBe(true)
    expect(octetsOf('escape-sequences').includes('\x1b]52;')).toBe(true)
    expect(octetsOf('bidirectional').toString('utf8')).toMatch(/^Subject: .*\u202egpj\.exe/m)
    expect(octetsOf('markup').toString()).toMatch(/^Subject: \{bold\}/m)
    const lineLengths = (name: string) =>
      octetsOf(name)
        .toString('latin1')
        .split('\r\n')
        .map((line) => line.length)
    expect(Math.max(...lineLengths('long-subject'))).toBe('Subject: '.length + 4096)
    expect(lineLengths('long-lines')).toEqual(expect.arrayContaining([998, 9000]))
    expect(octetsOf('empty-body').toString('latin1').split('\r\n\r\n')).toHaveLength(2)
    expect(octetsOf('empty-body').toString('latin1').endsWith('\r\n\r\n')).toBe(true)
    expect(octetsOf('header-only').includes('\r\n\r\n')).toBe(false)
  })
})
