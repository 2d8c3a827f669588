import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCommand } from '../../src/pop3/command.js'
import {
  encodeCommand,
  encodeContent,
  encodeStatusLine,
  removeByteStuffing,
  stuffLines,
  Unstuffer,
} from '../../src/pop3/encoder.js'
import { Secret } from '../../src/pop3/secret.js'

const NONE: ReadonlySet<string> = new Set()

describe('encodeStatusLine', () => {
  it('writes indicator, response code and text', () => {
    expect(String(encodeStatusLine('+OK', null, 'ready'))).toBe('+OK ready\r\n')
    expect(String(encodeStatusLine('+OK', null, ''))).toBe('+OK\r\n')
    expect(String(encodeStatusLine('-ERR', 'SYS/TEMP', 'later'))).toBe('-ERR [SYS/TEMP] later\r\n')
    expect(String(encodeStatusLine('-ERR', 'AUTH', ''))).toBe('-ERR [AUTH]\r\n')
  })

  it('keeps to 512 octets', () => {
    const line = encodeStatusLine('-ERR', null, 'x'.repeat(600))
    expect(line.length).toBe(512)
    expect(line.subarray(510).toString()).toBe('\r\n')
    expect(encodeStatusLine('-ERR', null, 'x'.repeat(505)).length).toBe(512)
  })

  it('refuses text that would end the line early', () => {
    for (const text of ['a\r\n+OK', 'a\nb', 'a\rb', 'a\0b']) {
      expect(() => encodeStatusLine('-ERR', null, text), JSON.stringify(text)).toThrow(TypeError)
    }
    expect(() => encodeStatusLine('-ERR', 'A]\r\n', 'x')).toThrow(TypeError)
  })

  it('lets no character beyond Latin-1 turn into a line end: U+010A loses its high octet to become LF', () => {
    const line = encodeStatusLine('-ERR', null, 'host \u010d\u010a+OK \u0100 \u{1f40a}')
    expect(line.toString('latin1')).toBe('-ERR host ??+OK ? ?\r\n')
  })

  it('writes Latin-1 text as the octets it was decoded from', () => {
    expect(encodeStatusLine('+OK', null, 'caf\xe9').toString('hex')).toBe('2b4f4b20636166e90d0a')
  })
})

describe('encodeCommand', () => {
  it('writes verb and arguments in one form', () => {
    const { command } = decodeCommand(Buffer.from(' retr   3 \r\n'), NONE)
    expect(String(encodeCommand(command))).toBe('RETR 3\r\n')
  })

  it('writes a password with the blanks in it', () => {
    const { command } = decodeCommand(Buffer.from('pass  two  blanks \r\n'), NONE)
    expect(String(encodeCommand(command))).toBe('PASS  two  blanks \r\n')
  })

  const stable: readonly (readonly [string, string])[] = [
    ['XFOO arg\r\n', 'XFOO arg\r\n'],
    ['xfoo  two\r\n', 'XFOO  two\r\n'],
    ['XFOO\r\n', 'XFOO\r\n'],
    ['hunter2 is my password\r\n', 'hunter2 is my password\r\n'],
    ['QUJDREVGR0g=\r\n', 'QUJDREVGR0g=\r\n'],
    ['  \r\n', '  \r\n'],
    ['\r\n', '\r\n'],
    ['AUTH FOO QUJD\r\n', 'AUTH FOO QUJD\r\n'],
    ['LIST 1 2\r\n', 'LIST 1 2\r\n'],
    ['APOP a c4c9334b\r\n', 'APOP a c4c9334b\r\n'],
  ]
  for (const [line, written] of stable) {
    it(`writes ${JSON.stringify(line)} so that it decodes and encodes to itself`, () => {
      const first = encodeCommand(decodeCommand(Buffer.from(line), NONE).command)
      expect(first.toString('latin1')).toBe(written)
      expect(String(encodeCommand(decodeCommand(first, NONE).command))).toBe(written)
    })
  }

  it('refuses arguments that would end the line early', () => {
    const verb = { verb: 'USER', keyword: 'USER', secret: null }
    for (const name of ['a\r\nDELE 1', 'a\n', 'a\r', 'a\0']) {
      expect(() => encodeCommand({ ...verb, arguments: [name] })).toThrow(TypeError)
    }
    const secret = new Secret(Buffer.from('x\r\nDELE 1'))
    expect(() => encodeCommand({ verb: 'PASS', keyword: 'PASS', arguments: [], secret })).toThrow(TypeError)
  })

  it('refuses a character beyond Latin-1, which would lose its high octet and could become LF', () => {
    expect(() =>
      encodeCommand({ verb: 'USER', keyword: 'USER', arguments: ['a\u010aDELE'], secret: null }),
    ).toThrow(TypeError)
  })

  it('shows no secret in its error', () => {
    const secret = new Secret(Buffer.from('hunter2\r\n'))
    let message = ''
    try {
      encodeCommand({ verb: 'PASS', keyword: 'PASS', arguments: [], secret })
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain('CR')
    expect(message).not.toContain('hunter2')
  })
})

describe('encodeContent and removeByteStuffing', () => {
  const contents: readonly (readonly [string, string])[] = [
    ['', '.\r\n'],
    ['a\r\n', 'a\r\n.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['.\r\n', '..\r\n.\r\n'],
    ['.a\r\n..b\r\n', '..a\r\n...b\r\n.\r\n'],
    ['\r\n.\r\n', '\r\n..\r\n.\r\n'],
    ['a\n.\nb\r\n', 'a\n.\nb\r\n.\r\n'],
    ['a\r', 'a\r\r\n.\r\n'],
    ['a\n', 'a\n\r\n.\r\n'],
    ['\xff\0\r\n', '\xff\0\r\n.\r\n'],
  ]
  for (const [content, written] of contents) {
    it(`stuffs ${JSON.stringify(content)} and takes it back`, () => {
      const encoded = encodeContent(Buffer.from(content, 'latin1'))
      expect(encoded.toString('latin1')).toBe(written)
      const back = removeByteStuffing(encoded.subarray(0, -3)).toString('latin1')
      expect(back).toBe(content === '' || content.endsWith('\r\n') ? content : `${content}\r\n`)
    })
  }

  it('leaves a line with a single dot as the server sent it', () => {
    expect(String(removeByteStuffing(Buffer.from('.a\r\n.b\r\n..c\r\n')))).toBe('.a\r\n.b\r\n.c\r\n')
  })
})

describe('byte-stuffing of content in pieces', () => {
  const piece = fc.constantFrom('\r', '\n', '.', '..', '\r\n', '\r\n.', '\r\n..', 'a', '')
  const pieces = fc.array(piece, { maxLength: 30 })
  const octets = (all: readonly string[]): Buffer => Buffer.from(all.join(''), 'latin1')

  it('is removed as it is from the whole, however it is torn', () => {
    fc.assert(
      fc.property(pieces, (all) => {
        const unstuffer = new Unstuffer()
        const plain = all.map((each) => unstuffer.take(Buffer.from(each, 'latin1')))
        const whole = removeByteStuffing(octets(all)).toString('latin1')
        expect(Buffer.concat([...plain, unstuffer.end()]).toString('latin1')).toBe(whole)
      }),
      { numRuns: 5_000 },
    )
  })

  it('is added as it is to the whole, where it is said what stands before', () => {
    fc.assert(
      fc.property(pieces, pieces, (before, behind) => {
        const whole = stuffLines(octets([...before, ...behind]), true)
        const first = stuffLines(octets(before), true)
        const isBehindCrlf = before.join('') === '' || before.join('').endsWith('\r\n')
        // A line end that is torn itself is not asked about: stretches end with lines.
        fc.pre(!before.join('').endsWith('\r'))
        const second = stuffLines(octets(behind), isBehindCrlf)
        expect(Buffer.concat([first, second]).toString('latin1')).toBe(whole.toString('latin1'))
      }),
      { numRuns: 5_000 },
    )
  })
})
