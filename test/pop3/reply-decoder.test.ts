import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { decodeStatusLine, type ExpectedOfServer, ReplyDecoder } from '../../src/pop3/reply-decoder.js'
import { decodeServer, outcomeOf, type Plain, type Script } from '../support/decode-all.js'
import { everySplit } from '../support/every-split.js'

const SMALL = { ...DEFAULT_LIMITS, statusLineOctets: 32 }

function decoded(
  octets: string,
  ...expecting: Script<ExpectedOfServer>
): { readonly events: readonly Plain[]; readonly rest: string } {
  return everySplit(octets, (pieces) => outcomeOf(decodeServer(pieces, { expecting })))
}

function decodedSmall(octets: string, ...expecting: Script<ExpectedOfServer>): readonly Plain[] {
  return everySplit(octets, (pieces) => outcomeOf(decodeServer(pieces, { expecting, limits: SMALL }))).events
}

describe('ReplyDecoder, greeting', () => {
  it('reads text and APOP timestamp', () => {
    const { events } = decoded('+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n', 'greeting')
    expect(events).toEqual([
      {
        type: 'greeting',
        status: {
          indicator: '+OK',
          responseCode: null,
          text: 'POP3 ready <1896.697170952@dbc.mtview.ca.us>',
        },
        timestamp: '<1896.697170952@dbc.mtview.ca.us>',
        wire: '+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n',
        anomalies: [],
      },
    ])
  })

  it('takes the bare "+OK" of popa3d', () => {
    const { events } = decoded('+OK\r\n', 'greeting')
    expect(events).toMatchObject([{ type: 'greeting', status: { text: '' }, timestamp: null, anomalies: [] }])
  })

  it('reports a refusal as a greeting with -ERR and its code', () => {
    const { events } = decoded('-ERR [sys/temp] later\r\n', 'greeting')
    expect(events).toMatchObject([
      { type: 'greeting', status: { indicator: '-ERR', responseCode: 'SYS/TEMP', text: 'later' } },
    ])
  })

  it('finds no timestamp without both angle brackets in order', () => {
    expect(decoded('+OK > a < b\r\n', 'greeting').events).toMatchObject([{ timestamp: null }])
    expect(decoded('+OK a <b\r\n', 'greeting').events).toMatchObject([{ timestamp: null }])
  })

  it('calls the greeting of another protocol none', () => {
    for (const line of ['220 smtp.example.org ESMTP\r\n', '* OK IMAP4rev1\r\n', '\r\n', '+ OK\r\n']) {
      expect(decoded(line, 'greeting').events).toMatchObject([{ type: 'no-greeting', wire: line }])
    }
  })

  it('calls a greeting without end none, at the limit and not an octet before', () => {
    const line = `+OK ${'x'.repeat(28)}`
    expect(decodedSmall(`${line.slice(0, 30)}\r\n`, 'greeting')).toMatchObject([{ type: 'greeting' }])
    expect(decodedSmall(line.slice(0, 31), 'greeting')).toEqual([])
    expect(decodedSmall(line, 'greeting')).toMatchObject([{ type: 'no-greeting', wire: line }])
  })
})

describe('ReplyDecoder, replies', () => {
  it('reads +OK and -ERR in order, one event a reply', () => {
    const { events } = decoded('+OK 2 320\r\n-ERR [IN-USE] locked\r\n+OK\r\n', 'single-line')
    expect(events.map((event) => [event.type, event.status, event.anomalies])).toEqual([
      ['reply', { indicator: '+OK', responseCode: null, text: '2 320' }, []],
      ['reply', { indicator: '-ERR', responseCode: 'IN-USE', text: 'locked' }, []],
      ['reply', { indicator: '+OK', responseCode: null, text: '' }, []],
    ])
  })

  it('ends -ERR to a multi-line command at its line', () => {
    const { events } = decoded('-ERR no such message\r\n+OK 1\r\n', 'multi-line', 'single-line')
    expect(events).toMatchObject([
      { type: 'reply', hasContent: false },
      { type: 'reply', hasContent: false, status: { text: '1' } },
    ])
  })

  it('reads content behind +OK of a multi-line command only', () => {
    const { events } = decoded('+OK\r\n1 120\r\n.\r\n+OK 1 120\r\n', 'multi-line', 'single-line')
    expect(events.map((event) => event.type)).toEqual(['reply', 'content', 'content-end', 'reply'])
    expect(events[0]).toMatchObject({ hasContent: true })
    expect(events[3]).toMatchObject({ hasContent: false })
  })

  it('reads an empty multi-line response', () => {
    const { events } = decoded('+OK\r\n.\r\n', 'multi-line')
    expect(events).toMatchObject([{ type: 'reply' }, { type: 'content-end', octets: 0, wire: '.\r\n' }])
  })

  it('reads content behind a status line that ends in bare LF', () => {
    const { events } = decoded('+OK\n.\r\n-ERR\n', 'multi-line', 'single-line')
    expect(events).toMatchObject([
      { type: 'reply', anomalies: ['bare-line-feed'] },
      { type: 'content-end' },
      { type: 'reply', anomalies: ['bare-line-feed'] },
    ])
  })

  it('names each oddity of a status line and passes it on', () => {
    const oddities: readonly (readonly [string, string, string[]])[] = [
      ['+ok fine\r\n', 'fine', ['status-indicator-case']],
      ['-Err no\r\n', 'no', ['status-indicator-case']],
      ['+OKfine\r\n', 'fine', ['missing-separator']],
      ['+OK a\rb\r\n', 'a\rb', ['bare-carriage-return']],
      ['+OK a\r\r\n', 'a\r', ['bare-carriage-return']],
      ['+OK a\0b\r\n', 'a\0b', ['nul-octet']],
      ['+OK  two\r\n', ' two', []],
      ['+OK \r\n', '', []],
      ['+OK \xe9\xff\r\n', '\xe9\xff', []],
    ]
    for (const [line, text, anomalies] of oddities) {
      expect(decoded(line, 'single-line').events, JSON.stringify(line)).toMatchObject([
        { type: 'reply', status: { text }, anomalies, wire: line },
      ])
    }
  })

  it('takes 512 octets for lawful and 513 for long', () => {
    const lawful = `+OK ${'x'.repeat(506)}\r\n`
    expect(lawful.length).toBe(512)
    expect(decoded(lawful, 'single-line').events).toMatchObject([{ anomalies: [] }])
    const long = `+OK ${'x'.repeat(507)}\r\n`
    expect(decoded(long, 'single-line').events).toMatchObject([{ anomalies: ['status-line-long'] }])
  })

  it('takes a status line of 16 KiB and gives up one octet later', () => {
    const most = `+OK ${'x'.repeat(16_378)}\r\n`
    expect(most.length).toBe(DEFAULT_LIMITS.statusLineOctets)
    expect(decoded(most, 'single-line').events).toMatchObject([{ type: 'reply' }])
    const tooLong = `+OK ${'x'.repeat(16_379)}\r\n`
    expect(decoded(tooLong, 'single-line').events[0]).toMatchObject({
      type: 'line-too-long',
      limit: 16_384,
      wire: tooLong.slice(0, 16_384),
      anomalies: ['line-too-long'],
    })
  })

  it('streams a mail line of any length', () => {
    const line = 'x'.repeat(70_000)
    const { events } = decoded(`+OK\r\n${line}\r\n.\r\n`, 'multi-line')
    expect(events).toMatchObject([
      { type: 'reply' },
      { type: 'content', wire: `${line}\r\n` },
      { type: 'content-end' },
    ])
  })

  it('does not take "+OK" or "-ERR" within content for replies', () => {
    const { events } = decoded('+OK\r\n+OK\r\n-ERR\r\n+OK\r\n.\r\n', 'multi-line')
    expect(events.map((event) => event.type)).toEqual(['reply', 'content', 'content-end'])
  })

  it('notes unstuffed lines at the end of the response', () => {
    expect(decoded('+OK\r\n.x\r\n.\r\n', 'multi-line').events[2]).toMatchObject({
      anomalies: ['unstuffed-line'],
      octets: 4,
    })
  })

  it('keeps response codes as they are written, in upper case, and no code where brackets do not close', () => {
    expect(decodeStatusLine(Buffer.from('-ERR [sys/Perm]no blank\r\n'))?.status).toEqual({
      indicator: '-ERR',
      responseCode: 'SYS/PERM',
      text: 'no blank',
    })
    for (const text of ['[AUTH', '[]', '[] x', ']a[']) {
      expect(decodeStatusLine(Buffer.from(`-ERR ${text}\r\n`))?.status).toEqual({
        indicator: '-ERR',
        responseCode: null,
        text,
      })
    }
  })
})

describe('ReplyDecoder, stray octets', () => {
  it("passes Dovecot's message that begins with a lone dot, and then its stray lines", () => {
    const { events } = decoded('+OK 23 octets\r\n.\r\nSubject: a\r\n\r\nb\r\n.\r\n', 'multi-line', 'nothing')
    expect(events.map((event) => [event.type, event.wire])).toEqual([
      ['reply', '+OK 23 octets\r\n'],
      ['content-end', '.\r\n'],
      ['unsolicited', 'Subject: a\r\n'],
      ['unsolicited', '\r\n'],
      ['unsolicited', 'b\r\n'],
      ['unsolicited', '.\r\n'],
    ])
  })

  it('never takes stray lines for the reply that is waited for', () => {
    const { events } = decoded('junk\r\n.\r\n+OK\r\n', 'single-line')
    expect(events).toMatchObject([
      { type: 'unsolicited', anomalies: ['missing-status-indicator'] },
      { type: 'unsolicited', anomalies: ['missing-status-indicator'] },
      { type: 'reply' },
    ])
  })

  it('calls even a status line unsolicited while nothing is expected', () => {
    expect(decoded('+OK surplus\r\n', 'nothing').events).toEqual([
      { type: 'unsolicited', wire: '+OK surplus\r\n', anomalies: ['unsolicited'] },
    ])
  })

  it('hands on a stray line over the limit in parts, none of which is taken for a reply', () => {
    const stray = `${'s'.repeat(32)}+OK ${'t'.repeat(28)}+OK\r\n`
    expect(decodedSmall(`${stray}+OK\r\n`, 'single-line').map((event) => [event.type, event.wire])).toEqual([
      ['unsolicited', 's'.repeat(32)],
      ['unsolicited', `+OK ${'t'.repeat(28)}`],
      ['unsolicited', '+OK\r\n'],
      ['reply', '+OK\r\n'],
    ])
  })

  it('gives up on no line, however long and like a reply, while nothing is expected', () => {
    const line = `+OK ${'x'.repeat(40)}\r\n`
    expect(decodedSmall(line, 'nothing').map((event) => [event.type, event.wire])).toEqual([
      ['unsolicited', line.slice(0, 32)],
      ['unsolicited', line.slice(32)],
    ])
  })

  it('forgets the stray line it was in when its octets are taken away', () => {
    const decoder = new ReplyDecoder(SMALL)
    decoder.push(Buffer.from('s'.repeat(33)))
    expect(decoder.next('single-line')?.type).toBe('unsolicited')
    expect(decoder.takeUndecoded().toString()).toBe('s')
    decoder.push(Buffer.from('+OK\r\n'))
    expect(decoder.next('single-line')?.type).toBe('reply')
  })
})

describe('ReplyDecoder, SASL', () => {
  it('reads challenges and the status line that ends the exchange', () => {
    const { events } = decoded('+ PDE4OTYuNjk3PgAA\r\n+ \r\n+OK in\r\n', 'sasl')
    expect(events).toMatchObject([
      { type: 'sasl-challenge', challenge: 'PDE4OTYuNjk3PgAA', anomalies: [] },
      { type: 'sasl-challenge', challenge: '', anomalies: [] },
      { type: 'reply', hasContent: false, status: { text: 'in' } },
    ])
  })

  it('takes "+" without a blank for an empty challenge', () => {
    expect(decoded('+\r\n', 'sasl').events).toMatchObject([
      { type: 'sasl-challenge', challenge: '', anomalies: ['missing-separator'] },
    ])
    expect(decoded('+\n', 'sasl').events).toMatchObject([
      { type: 'sasl-challenge', challenge: '', anomalies: ['bare-line-feed', 'missing-separator'] },
    ])
  })

  it('takes "+OK" for the end of the exchange in any case', () => {
    expect(decoded('+ok\r\n', 'sasl').events).toMatchObject([{ type: 'reply' }])
    expect(decoded('+OK\r\n', 'sasl').events).toMatchObject([{ type: 'reply' }])
  })

  it('names a challenge that is not base64', () => {
    expect(decoded('+ not base64!\r\n', 'sasl').events).toMatchObject([
      { type: 'sasl-challenge', challenge: 'not base64!', anomalies: ['not-base64'] },
    ])
  })

  it('takes no challenge for an answer to a command that is no AUTH', () => {
    expect(decoded('+ abcd\r\n', 'single-line').events).toMatchObject([{ type: 'unsolicited' }])
  })

  it('takes a challenge of the longest line and gives up one octet later', () => {
    expect(decodedSmall(`+ ${'A'.repeat(28)}\r\n`, 'sasl')).toMatchObject([{ type: 'sasl-challenge' }])
    expect(decodedSmall(`+ ${'A'.repeat(29)}\r\n`, 'sasl')[0]).toMatchObject({ type: 'line-too-long' })
  })
})

describe('ReplyDecoder, what is left', () => {
  it('hands back a half line', () => {
    expect(decoded('+OK\r\n+O', 'single-line').rest).toBe('+O')
  })

  it('hands back what it keeps of a termination', () => {
    for (const kept of ['', '\r', '\r\n', '\r\n.', '\r\n.\r']) {
      const { events, rest } = decoded(`+OK\r\ntext${kept}`, 'multi-line')
      expect(events[1]).toMatchObject({ type: 'content', wire: 'text' })
      expect(rest).toBe(kept)
    }
  })

  it('hands back a termination that is found and not yet pulled', () => {
    const decoder = new ReplyDecoder(DEFAULT_LIMITS)
    decoder.push(Buffer.from('+OK\r\na\r\n.\r\n+OK'))
    expect(decoder.next('multi-line')?.type).toBe('reply')
    expect(decoder.isWithinContent).toBe(true)
    expect(decoder.next('single-line')?.type).toBe('content')
    expect(decoder.isWithinContent).toBe(true)
    expect(decoder.takeUndecoded().toString()).toBe('.\r\n+OK')
    expect(decoder.isWithinContent).toBe(false)
    expect(decoder.undecodedOctets).toBe(0)
    expect(decoder.takeUndecoded().length).toBe(0)
  })
})

describe('ReplyDecoder, what is kept back', () => {
  it('is handed back once where the termination came in a piece of its own', () => {
    const decoder = new ReplyDecoder(DEFAULT_LIMITS)
    decoder.push(Buffer.from('+OK\r\na\r\n'))
    expect(decoder.next('multi-line')?.type).toBe('reply')
    expect(decoder.next('multi-line')?.wire.toString()).toBe('a')
    expect(decoder.next('multi-line')).toBeNull()
    decoder.push(Buffer.from('.\r\n'))
    expect(decoder.next('multi-line')?.wire.toString()).toBe('\r\n')
    expect(decoder.takeUndecoded().toString()).toBe('.\r\n')
  })
})

describe('ReplyDecoder, copying', () => {
  it('passes content on as a slice of the piece it came in', () => {
    const piece = Buffer.from('+OK\r\nSubject: a\r\n\r\nb\r\n.\r\n')
    const decoder = new ReplyDecoder(DEFAULT_LIMITS)
    decoder.push(piece)
    decoder.next('multi-line')
    const content = decoder.next('multi-line')
    expect(content?.wire.buffer).toBe(piece.buffer)
    expect(content?.wire.byteOffset).toBe(piece.byteOffset + 5)
  })
})
