import { describe, expect, test } from 'vitest'
import { Conversation } from '../support/conversation.js'

const LISTINGS = { isWatched: true, messageOctets: 0 }

const toldOf = (it: Conversation, number: number): readonly (readonly [string, string])[] =>
  it
    .traced('content')
    .filter((content) => content.number === number)
    .map(({ source, wire }) => [source, wire.toString('latin1')] as const)

describe('content', () => {
  test('of a listing is told when it is complete, of a message not unless asked for', () => {
    const it = Conversation.loggedIn({ attention: LISTINGS })
    it.client('LIST\r\nRETR 1\r\nTOP 1 0\r\nUIDL\r\n')
    it.server('+OK\r\n1 5\r\n')
    it.server('..\r\n.\r\n+OK\r\nmail\r\n.\r\n+OK\r\nmail\r\n.\r\n+OK\r\n1 a\r\n.\r\n')
    expect(toldOf(it, 4)).toEqual([['server', '1 5\r\n..\r\n']])
    expect(toldOf(it, 5)).toEqual([])
    expect(toldOf(it, 6)).toEqual([])
    expect(toldOf(it, 7)).toEqual([['server', '1 a\r\n']])
  })

  test('of a message is told up to what was asked for, octet by octet or whole', () => {
    for (const size of [1, 3, 100]) {
      const it = Conversation.loggedIn({ attention: { isWatched: true, messageOctets: 7 } })
      const reply = '+OK\r\n12\r\n45678\r\n..\r\n.\r\n'
      for (const number of [4, 5]) {
        it.client('RETR 1\r\n')
        for (let at = 0; at < reply.length; at += size) it.server(reply.slice(at, at + size))
        expect(
          toldOf(it, number)
            .map(([, text]) => text)
            .join(''),
        ).toBe('12\r\n456')
      }
    }
  })

  test('of a listing is told up to 64 KiB, and what the server left out at its end is told too', () => {
    const it = Conversation.loggedIn({ attention: LISTINGS })
    it.client('LIST\r\nUIDL\r\n')
    const listing = '1 100\r\n'.repeat(20_000)
    it.server(`+OK\r\n${listing}.\r\n`)
    expect(toldOf(it, 4)).toEqual([['server', listing.slice(0, 65_536)]])
    it.server('+OK\r\n1 a\r\n2')
    it.feed({ type: 'end', side: 'server' })
    expect(toldOf(it, 5)).toEqual([['server', '1 a\r\n2']])
  })

  test('of CAPA is told as the server sent it and as the client got it, where the two differ', () => {
    const it = Conversation.open({ attention: LISTINGS })
    it.client('CAPA\r\n')
    it.server('+OK\r\nTOP\r\nSTLS\r\n.\r\n')
    expect(toldOf(it, 1)).toEqual([
      ['server', 'TOP\r\nSTLS\r\n'],
      ['postern', 'TOP\r\nPIPELINING\r\nSTLS\r\n'],
    ])
    it.client('CAPA\r\n')
    it.server('+OK\r\nTOP\r\nPIPELINING\r\nSTLS\r\n.\r\n')
    expect(toldOf(it, 2)).toEqual([['server', 'TOP\r\nPIPELINING\r\nSTLS\r\n']])
    it.client('CAPA\r\n')
    it.server('-ERR\r\n')
    expect(toldOf(it, 3)).toEqual([['postern', 'USER\r\nPIPELINING\r\nSTLS\r\n']])
  })

  test('that repeats a credential is not told, but named', () => {
    const it = Conversation.loggedIn({ attention: LISTINGS, multiLineVerbs: ['XFOO'] })
    it.client('XFOO\r\n')
    it.server('+OK\r\nyour password is sesame')
    it.server('-street\r\n.\r\n')
    expect(toldOf(it, 4)).toEqual([])
    expect(it.traced('anomaly').at(-1)).toMatchObject({ anomaly: 'credential-echoed', number: 4 })
    expect(it.takeToClient()).toContain('sesame-street')
  })
})

describe('the octets of a line', () => {
  const wires = (it: Conversation): readonly (string | null)[] =>
    [...it.traced('command'), ...it.traced('reply')].map(({ wire }) => wire?.toString('latin1') ?? null)

  test('are told where they are not what is shown', () => {
    const it = Conversation.open({ attention: LISTINGS })
    it.client('NOOP\r\nnoop \r\nUSER b\xc3\xb6b\r\n')
    it.server('+OK fine\r\n+OK\tfine\r\n-ERR [sys/Temp] no\r\n')
    expect(wires(it)).toEqual([
      null,
      'noop \r\n',
      'USER b\xc3\xb6b\r\n',
      null,
      '+OK\tfine\r\n',
      '-ERR [sys/Temp] no\r\n',
    ])
  })

  test('are never told beside a credential', () => {
    const it = Conversation.open({ attention: LISTINGS, showsUserNames: false })
    it.client('pass  x y\r\nuser  bob\r\nxfoo  z\r\nabcd\r\n')
    it.server('-ERR [abcd] no  x y\r\n-err\r\n-err\r\n-ERR [abcd] what?\r\n')
    expect(wires(it).slice(0, 4)).toEqual([null, null, null, null])
    expect(wires(it).slice(4)).toEqual([null, '-err\r\n', '-err\r\n', null])
  })

  test('are told to nobody where nobody watches', () => {
    const it = Conversation.loggedIn()
    it.client('noop \r\nLIST\r\n')
    it.server('+ok\r\n+OK\r\n1 5\r\n.\r\n')
    expect(wires(it).every((wire) => wire === null)).toBe(true)
    expect(it.traced('content')).toEqual([])
  })
})
