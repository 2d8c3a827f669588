import { describe, expect, it } from 'vitest'
import { CommandDecoder, type ExpectedOfClient } from '../../src/pop3/command-decoder.js'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { decodeClient, outcomeOf, type Plain, type Script } from '../support/decode-all.js'
import { everySplit } from '../support/every-split.js'

const SMALL = { ...DEFAULT_LIMITS, commandLineOctets: 16, saslLineOctets: 32 }

function decoded(octets: string, ...expecting: Script<ExpectedOfClient>): readonly Plain[] {
  return everySplit(octets, (pieces) => outcomeOf(decodeClient(pieces, { expecting }))).events
}

function decodedSmall(octets: string, ...expecting: Script<ExpectedOfClient>): readonly Plain[] {
  return everySplit(octets, (pieces) => outcomeOf(decodeClient(pieces, { expecting, limits: SMALL }))).events
}

describe('CommandDecoder, commands', () => {
  it('decodes a dialogue that comes at once', () => {
    const events = decoded('USER a\r\nPASS b c\r\nSTAT\r\nTOP 1 0\r\nQUIT\r\n', 'command')
    expect(events).toMatchObject([
      { type: 'command', command: { verb: 'USER', arguments: ['a'], secret: null }, wire: 'USER a\r\n' },
      { type: 'command', command: { verb: 'PASS', arguments: [], secret: 'b c' }, wire: 'PASS b c\r\n' },
      { type: 'command', command: { verb: 'STAT' } },
      { type: 'command', command: { verb: 'TOP', arguments: ['1', '0'] } },
      { type: 'command', command: { verb: 'QUIT' } },
    ])
  })

  it('ends a line at LF only, and names what is odd about it', () => {
    const events = decoded('NOOP\n\r\nUSER a\rb\r\nPASS \0\r\n', 'command')
    expect(events).toMatchObject([
      { wire: 'NOOP\n', anomalies: ['bare-line-feed'] },
      { wire: '\r\n', command: { verb: 'unrecognized', keyword: '' } },
      { wire: 'USER a\rb\r\n', anomalies: ['bare-carriage-return', 'malformed-argument'] },
      { wire: 'PASS \0\r\n', anomalies: ['nul-octet'] },
    ])
  })

  it('takes a command line of exactly the limit and gives up one octet later', () => {
    expect(decodedSmall(`USER ${'a'.repeat(9)}\r\n`, 'command')).toMatchObject([{ type: 'command' }])
    const tooLong = `USER ${'a'.repeat(10)}\r\n`
    expect(decodedSmall(tooLong, 'command')[0]).toEqual({
      type: 'line-too-long',
      limit: 16,
      wire: tooLong.slice(0, 16),
      anomalies: ['line-too-long'],
    })
  })

  it('takes an AUTH line up to the SASL limit, in any case', () => {
    const most = `auth PLAIN ${'A'.repeat(19)}\r\n`
    expect(most.length).toBe(32)
    expect(decodedSmall(most, 'command')).toMatchObject([
      { type: 'command', command: { verb: 'AUTH', arguments: ['PLAIN'], secret: 'A'.repeat(19) } },
    ])
    expect(decodedSmall(`auth PLAIN ${'A'.repeat(20)}\r\n`, 'command')[0]).toMatchObject({
      type: 'line-too-long',
      limit: 32,
    })
  })

  it('gives no other verb the longer limit', () => {
    for (const line of ['AUTHX ', 'XAUTH ', 'PASS  ', ' AUTH ']) {
      expect(decodedSmall(`${line}${'A'.repeat(12)}\r\n`, 'command')[0], line).toMatchObject({
        type: 'line-too-long',
        limit: 16,
      })
    }
  })

  it('holds AUTH to the limit of commands where that of SASL is the lower', () => {
    const limits = { ...DEFAULT_LIMITS, commandLineOctets: 24, saslLineOctets: 12 }
    const { events } = everySplit(`AUTH PLAIN ${'A'.repeat(20)}\r\n`, (pieces) =>
      outcomeOf(decodeClient(pieces, { limits })),
    )
    expect(events[0]).toMatchObject({ type: 'line-too-long', limit: 24 })
  })

  it('carries a token of 12 KiB under the default limits, and refuses one past 16 KiB', () => {
    const token = 'QUJD'.repeat(3_072)
    expect(decoded(`AUTH XOAUTH2 ${token}\r\n`, 'command')).toMatchObject([
      { command: { verb: 'AUTH', arguments: ['XOAUTH2'], secret: token } },
    ])
    const most = `AUTH XOAUTH2 ${'A'.repeat(16_369)}\r\n`
    expect(most.length).toBe(DEFAULT_LIMITS.saslLineOctets)
    expect(decoded(most, 'command')).toMatchObject([{ type: 'command' }])
    expect(decoded(`AUTH XOAUTH2 ${'A'.repeat(16_370)}\r\n`, 'command')[0]).toMatchObject({
      type: 'line-too-long',
      limit: 16_384,
    })
  })

  it('takes 8 KiB of any command under the default limits and gives up one octet later', () => {
    const most = `PASS ${'x'.repeat(8_185)}\r\n`
    expect(most.length).toBe(DEFAULT_LIMITS.commandLineOctets)
    expect(decoded(most, 'command')).toMatchObject([{ type: 'command' }])
    expect(decoded(`PASS ${'x'.repeat(8_186)}\r\n`, 'command')[0]).toMatchObject({ type: 'line-too-long' })
  })

  it('decodes configured verbs as such', () => {
    const { events } = everySplit('xlistall\r\n', (pieces) =>
      outcomeOf(decodeClient(pieces, { multiLineVerbs: ['XLISTALL'] })),
    )
    expect(events).toMatchObject([{ command: { keyword: 'XLISTALL', verb: 'unrecognized' } }])
  })
})

describe('CommandDecoder, SASL responses', () => {
  it('takes a line for a secret because of the state, whatever it looks like', () => {
    const events = decoded(
      'AUTH LOGIN\r\nUSER\r\nPASS hunter2\r\nSTAT\r\n',
      'command',
      'sasl-response',
      'sasl-response',
      'command',
    )
    expect(events).toMatchObject([
      { type: 'command', command: { verb: 'AUTH' } },
      { type: 'sasl-response', response: 'USER', cancels: false, anomalies: [] },
      { type: 'sasl-response', response: 'PASS hunter2', cancels: false, anomalies: ['not-base64'] },
      { type: 'command', command: { verb: 'STAT' } },
    ])
  })

  it('knows the line that cancels, and no other', () => {
    expect(decoded('*\r\n', 'sasl-response')).toMatchObject([{ cancels: true, anomalies: [] }])
    expect(decoded('*\n', 'sasl-response')).toMatchObject([{ cancels: true, anomalies: ['bare-line-feed'] }])
    for (const line of ['**\r\n', ' *\r\n', '* \r\n', '*\r\r\n']) {
      expect(decoded(line, 'sasl-response'), line).toMatchObject([
        { cancels: false, anomalies: ['not-base64'] },
      ])
    }
  })

  it('takes the empty line that ends SCRAM', () => {
    expect(decoded('\r\n', 'sasl-response')).toMatchObject([{ response: '', cancels: false, anomalies: [] }])
    expect(decoded('\n', 'sasl-response')).toMatchObject([{ response: '', anomalies: ['bare-line-feed'] }])
  })

  it('takes a response of exactly the limit and gives up one octet later', () => {
    expect(decodedSmall(`${'A'.repeat(30)}\r\n`, 'sasl-response')).toMatchObject([{ type: 'sasl-response' }])
    expect(decodedSmall(`${'A'.repeat(31)}\r\n`, 'sasl-response')[0]).toMatchObject({
      type: 'line-too-long',
      limit: 32,
    })
  })
})

describe('CommandDecoder, what is left', () => {
  it('hands back what stands behind STLS undecoded, half lines too', () => {
    const decoder = new CommandDecoder(DEFAULT_LIMITS, new Set())
    decoder.push(Buffer.from('STLS\r\nUSER a\r\nPA'))
    expect(decoder.next('command')?.wire.toString()).toBe('STLS\r\n')
    expect(decoder.undecodedOctets).toBe(10)
    expect(decoder.takeUndecoded().toString()).toBe('USER a\r\nPA')
    expect(decoder.undecodedOctets).toBe(0)
    decoder.push(Buffer.from('SS x\r\n'))
    expect(decoder.next('command')).toMatchObject({ command: { verb: 'unrecognized' } })
  })

  it('gives nothing while a line is incomplete', () => {
    const decoder = new CommandDecoder(DEFAULT_LIMITS, new Set())
    expect(decoder.next('command')).toBeNull()
    decoder.push(Buffer.from('NOOP\r'))
    expect(decoder.next('command')).toBeNull()
    decoder.push(Buffer.from('\n'))
    expect(decoder.next('command')?.wire.toString()).toBe('NOOP\r\n')
  })
})
