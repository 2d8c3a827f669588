import { describe, expect, it } from 'vitest'
import { ContentScanner } from '../../src/pop3/content-scanner.js'
import { decodeServer, outcomeOf } from '../support/decode-all.js'
import { everySplit } from '../support/every-split.js'

interface Scanned {
  readonly content: string
  readonly ended: boolean
  readonly behind: string
  readonly octets: number
  readonly wireOctets: number
  readonly unstuffedLines: number
}

/** Scans content as it stands behind a status line. */
function scanned(pieces: readonly Buffer[]): Scanned {
  const scanner = new ContentScanner()
  let content = ''
  let behind = ''
  let ended = false
  for (const piece of pieces) {
    if (ended) {
      behind += piece.toString('latin1')
      continue
    }
    const scan = scanner.scan(piece, 0)
    content += (scan.release?.toString('latin1') ?? '') + piece.toString('latin1', 0, scan.end)
    ended = scan.ended
    if (ended) behind = piece.toString('latin1', scan.next)
  }
  if (!ended) content += scanner.takeHeld().toString('latin1')
  const { octets, wireOctets, unstuffedLines } = scanner
  return { content, ended, behind, octets, wireOctets, unstuffedLines }
}

describe('ContentScanner', () => {
  const shapes: readonly (readonly [string, string, string | null, string])[] = [
    ['an empty response', '.\r\n', '', ''],
    ['one line', 'a\r\n.\r\n', 'a\r\n', ''],
    ['a stuffed first line', '..a\r\n.\r\n', '..a\r\n', ''],
    ['a stuffed line that is a lone dot', 'a\r\n..\r\n.\r\n', 'a\r\n..\r\n', ''],
    ['LF "." LF, which ends nothing', 'a\n.\nb\r\n.\r\n', 'a\n.\nb\r\n', ''],
    ['LF "." CRLF, which ends nothing', 'a\n.\r\nb\r\n.\r\n', 'a\n.\r\nb\r\n', ''],
    ['CRLF "." LF, which ends nothing', 'a\r\n.\nb\r\n.\r\n', 'a\r\n.\nb\r\n', ''],
    ['CRLF "." CR, which ends nothing', 'a\r\n.\rb\r\n.\r\n', 'a\r\n.\rb\r\n', ''],
    ['CR "." CR, which ends nothing', 'a\r.\rb\r\n.\r\n', 'a\r.\rb\r\n', ''],
    ['CR "." CRLF, which ends nothing', 'a\r.\r\nb\r\n.\r\n', 'a\r.\r\nb\r\n', ''],
    ['CRLF "." CR CRLF, which ends nothing', 'a\r\n.\r\r\nb\r\n.\r\n', 'a\r\n.\r\r\nb\r\n', ''],
    ['CRLF "." CR CRLF "." CRLF', 'a\r\n.\r\r\n.\r\n', 'a\r\n.\r\r\n', ''],
    ['CR CRLF "." CRLF', 'a\r\r\n.\r\n', 'a\r\r\n', ''],
    ['CRLF CRLF "." CRLF', 'a\r\n\r\n.\r\n', 'a\r\n\r\n', ''],
    ['CRLF "." SP CRLF, which ends nothing', 'a\r\n. \r\nb\r\n.\r\n', 'a\r\n. \r\nb\r\n', ''],
    ['CRLF "." NUL CRLF, which ends nothing', 'a\r\n.\0\r\nb\r\n.\r\n', 'a\r\n.\0\r\nb\r\n', ''],
    ['a first line that is a lone dot, unstuffed', '.\r\nSubject: x\r\n.\r\n', '', 'Subject: x\r\n.\r\n'],
    ['a second reply right behind', 'a\r\n.\r\n+OK\r\n', 'a\r\n', '+OK\r\n'],
    ['two ends in a row', 'a\r\n.\r\n.\r\n', 'a\r\n', '.\r\n'],
    ['an end that never comes', 'a\r\n.\r', null, ''],
    ['LF first', '\n.\r\n.\r\n', '\n.\r\n', ''],
    ['CR first', '\r.\r\n.\r\n', '\r.\r\n', ''],
    ['an unstuffed first line', '.a\r\n.\r\n', '.a\r\n', ''],
    ['a first line "." CR', '.\rx\r\n.\r\n', '.\rx\r\n', ''],
  ]
  for (const [name, octets, content, behind] of shapes) {
    it(`finds the end of ${name}, whatever the split`, () => {
      const found = everySplit(octets, scanned)
      expect(found.ended).toBe(content !== null)
      expect(found.content).toBe(content ?? octets)
      expect(found.behind).toBe(behind)
      expect(found.wireOctets).toBe((content ?? octets).length)
    })
  }

  it('counts octets without byte-stuffing, and lines that lack it', () => {
    const found = everySplit('..a\r\n.b\r\n..\r\n...c\r\nd..\r\n.\rx\r\n.\r\n', scanned)
    expect(found.octets).toBe('.a\r\n.b\r\n.\r\n..c\r\nd..\r\n.\rx\r\n'.length)
    expect(found.unstuffedLines).toBe(2)
  })

  it('keeps the beginning of a termination back, so that its octets leave together', () => {
    for (const kept of ['\r', '\r\n', '\r\n.', '\r\n.\r']) {
      const scanner = new ContentScanner()
      const scan = scanner.scan(Buffer.from(`text${kept}`), 0)
      expect(scan).toEqual({ release: null, end: 4, next: 4 + kept.length, ended: false })
      expect(scanner.takeHeld().toString()).toBe(kept)
      expect(scanner.wireOctets).toBe(4 + kept.length)
    }
  })

  it('keeps back only what came behind the status line, not the CRLF of the status line itself', () => {
    const scanner = new ContentScanner()
    scanner.scan(Buffer.from('.'), 0)
    scanner.scan(Buffer.from('\r'), 0)
    expect(scanner.takeHeld().toString()).toBe('.\r')
    expect(scanner.wireOctets).toBe(2)
  })

  it('begins where it is told', () => {
    const scanner = new ContentScanner()
    const scan = scanner.scan(Buffer.from('+OK\r\na\r\n.\r\nrest'), 5)
    expect(scan).toEqual({ release: null, end: 8, next: 11, ended: true })
    expect(scanner.octets).toBe(3)
  })

  it('finds the same end in text full of dots, where it searches by pattern', () => {
    const line = `${'. .'.repeat(20)}\r\n`
    const octets = `${line.repeat(100).slice(1)}..stuffed\r\n.\r\nbehind`
    const whole = scanned([Buffer.from(octets)])
    expect(whole).toMatchObject({ ended: true, behind: 'behind', unstuffedLines: 99 })
    const pieces = Array.from({ length: 300 }, (_, index) => octets.slice(index * 23, index * 23 + 23))
    expect(scanned(pieces.map((piece) => Buffer.from(piece)))).toEqual(whole)
  })

  it('finds every line that begins with a dot behind the place where it changes its way of searching', () => {
    const octets = `${'.'.repeat(6)}\r\n.x\r\n..y\r\n${'z.'.repeat(4000)}\r\n.x\r\n..y\r\n.\r\n`
    expect(scanned([Buffer.from(octets)])).toMatchObject({
      ended: true,
      unstuffedLines: 2,
      octets: octets.length - 3 - 3,
    })
  })

  it('ends a RETR at every cut of the end marker, with what is behind it left for the next reply', () => {
    const events = everySplit('+OK 5 octets\r\na\r\n..\r\n.\r\n-ERR no\r\n', (pieces) =>
      outcomeOf(decodeServer(pieces, { expecting: ['multi-line'] })),
    )
    expect(events.events.map((event) => [event.type, event.wire])).toEqual([
      ['reply', '+OK 5 octets\r\n'],
      ['content', 'a\r\n..\r\n'],
      ['content-end', '.\r\n'],
      ['reply', '-ERR no\r\n'],
    ])
    expect(events.events[2]).toMatchObject({ octets: 6, anomalies: [] })
  })
})
