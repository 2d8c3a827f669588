import { describe, expect, it } from 'vitest'
import { isBase64Line, repeatsSecret, userOfSaslResponse } from '../../src/pop3/sasl.js'
import { Secret } from '../../src/pop3/secret.js'
import { expectGrowth } from '../support/growth.js'

function isBase64(text: string): boolean {
  return isBase64Line(Buffer.from(text, 'latin1'), 0, text.length)
}

function user(mechanism: string, step: number, decoded: string): string | null {
  return userOfSaslResponse(mechanism, step, new Secret(Buffer.from(Buffer.from(decoded).toString('base64'))))
}

describe('isBase64Line', () => {
  it('accepts whole groups of the alphabet with padding at the end', () => {
    for (const text of ['', 'AAAA', 'QUI=', 'QQ==', 'azAZ09+/', 'AGEAYg=='])
      expect(isBase64(text), text).toBe(true)
  })

  it('refuses anything else', () => {
    const wrong = [
      '=',
      '*',
      'A',
      'AA',
      'AAA',
      'A===',
      '====',
      'Q=A=',
      'QQ==QQ==',
      'AAA-',
      'AAA_',
      'AA A',
      ' AAA',
    ]
    for (const text of [...wrong, 'AAA\0', 'AAA\xff', 'AAA.', 'AAA:', 'AAA@', 'AAA[', 'AAA`', 'AAA{']) {
      expect(isBase64(text), text).toBe(false)
    }
  })

  it('looks at its range only', () => {
    expect(isBase64Line(Buffer.from('+ AAAA\r\n'), 2, 6)).toBe(true)
  })
})

describe('userOfSaslResponse', () => {
  const found: readonly (readonly [string, number, string, string | null])[] = [
    ['PLAIN', 0, '\0alice\0hunter2', 'alice'],
    ['PLAIN', 0, 'admin\0alice\0hunter2', 'alice'],
    ['PLAIN', 0, '\0j\u00fcrgen\0x', 'j\u00fcrgen'],
    ['PLAIN', 0, 'alice\0hunter2', null],
    ['PLAIN', 0, '\0\0hunter2', null],
    ['PLAIN', 0, '\0a\0b\0c', null],
    ['LOGIN', 0, 'alice', 'alice'],
    ['LOGIN', 1, 'hunter2', null],
    ['CRAM-MD5', 0, 'alice smith b913a602c7eda7a495b4e6e7334d3890', 'alice smith'],
    ['CRAM-MD5', 0, 'b913a602', null],
    ['SCRAM-SHA-256', 0, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO', 'user'],
    ['SCRAM-SHA-1', 0, 'n,a=admin,n=a=2Cb=3D2C,r=x', 'a,b=2C'],
    ['SCRAM-SHA-256-PLUS', 0, 'p=tls-unique,,n=user,r=x', 'user'],
    ['SCRAM-SHA-256', 1, 'n,,n=user,r=x', null],
    ['DIGEST-MD5', 0, 'charset=utf-8,username="chris",realm="a"', 'chris'],
    ['DIGEST-MD5', 0, 'xusername="chris"', null],
    ['XOAUTH2', 0, 'user=a@example.org\u0001auth=Bearer token\u0001\u0001', 'a@example.org'],
    ['OAUTHBEARER', 0, 'n,a=a@example.org,\u0001auth=Bearer token\u0001\u0001', 'a@example.org'],
    ['NTLM', 0, 'NTLMSSP\0alice', null],
    ['LOGIN', 0, 'x'.repeat(321), null],
    ['LOGIN', 0, 'x'.repeat(320), 'x'.repeat(320)],
    ['__proto__', 0, 'x', null],
  ]
  for (const [mechanism, step, decoded, name] of found) {
    it(`finds ${name === null ? 'none' : JSON.stringify(name.slice(0, 20))} in step ${step} of ${mechanism}`, () => {
      expect(user(mechanism, step, decoded)).toBe(name)
    })
  }

  it('finds none in an empty initial response', () => {
    expect(userOfSaslResponse('LOGIN', 0, new Secret(Buffer.from('=')))).toBeNull()
    expect(userOfSaslResponse('LOGIN', 0, new Secret(Buffer.alloc(0)))).toBeNull()
  })

  it('finds none in a line that is not base64, of which decoding would make something', () => {
    expect(userOfSaslResponse('LOGIN', 0, new Secret(Buffer.from('my password!')))).toBeNull()
  })

  const slow: readonly (readonly [string, (length: number) => string])[] = [
    ['commas', (length) => ','.repeat(length)],
    ['blanks behind a comma', (length) => ` ,${' '.repeat(length)}`],
    ['commas and blanks', (length) => ', '.repeat(length / 2)],
    ['beginnings of a SCRAM message', (length) => 'n,,n='.repeat(length / 5)],
  ]
  const mechanisms = ['DIGEST-MD5', 'SCRAM-SHA-1', 'XOAUTH2', 'OAUTHBEARER', 'CRAM-MD5', 'PLAIN']
  for (const [what, textOf] of slow) {
    it.each(mechanisms)(`costs the same for each of many ${what} in a response of %s`, (mechanism) => {
      expectGrowth('linear', { from: 1_000 }, (length) => {
        const response = new Secret(Buffer.from(Buffer.from(textOf(length)).toString('base64')))
        return () => userOfSaslResponse(mechanism, 0, response)
      })
    })
  }
})

describe('repeatsSecret', () => {
  const repeats = (text: string, secret: string): boolean =>
    repeatsSecret(text, new Secret(Buffer.from(secret, 'latin1')))

  it('finds the secret as it stood on the wire, and each longer word of it', () => {
    expect(repeats('unknown command: PAS hunter2', 'hunter2')).toBe(true)
    expect(repeats('unknown command: hunter2', ' hunter2 ')).toBe(true)
    expect(repeats('bad: correct', 'correct horse')).toBe(true)
    expect(repeats('j\xc3\xbcrgen is wrong', 'j\xc3\xbcrgen')).toBe(true)
  })

  it('takes no common word for a word of a pass phrase', () => {
    // The demo's piet: "has" was found in what the server says after every login.
    const phrase = 'the sexton has it'
    expect(repeats('maildrop has 42 messages', phrase)).toBe(false)
    expect(repeats('the maildrop has it', phrase)).toBe(false)
    expect(repeats('no such command: sexton', phrase)).toBe(true)
    expect(repeats('no such command: "sexton"', phrase)).toBe(true)
    expect(repeats('sextons and undersextons', phrase)).toBe(false)
    expect(repeats('undersexton, sexton', phrase)).toBe(true)
    expect(repeats('what is thesexton hasitthe sexton has itx?', phrase)).toBe(true)
  })

  it('compares a secret of one word whole, however short, and within longer words', () => {
    expect(repeats('what is cat?', 'cat')).toBe(true)
    expect(repeats('concatenated', 'cat')).toBe(true)
    expect(repeats('no', 'o')).toBe(true)
  })

  it('finds what is glued to a verb, with the verb and without', () => {
    expect(repeats('unknown command PASSsesame', 'PASSsesame')).toBe(true)
    expect(repeats('unknown command PASS, argument sesame', 'PASSsesame')).toBe(true)
    expect(repeats('what is key?', 'passkey')).toBe(true)
    expect(repeats('no key.', 'PASSke')).toBe(false)
    expect(repeats('bad argument: the sexton has it', 'PASSthe sexton has it')).toBe(true)
    expect(repeats('bad argument: sesame', 'PASSsesame and more')).toBe(true)
    expect(repeats('bad keyword', 'password of mine')).toBe(false)
  })

  it('finds what base64 hides', () => {
    expect(
      repeats('login failed for alice with hunter2', Buffer.from('\0alice\0hunter2').toString('base64')),
    ).toBe(true)
  })

  it('finds a password beyond ASCII that base64 hides, in the Latin-1 text that a status line is', () => {
    const password = 'schl\u00fcssel'
    const secret = Buffer.from(`\0\0${password}`).toString('base64')
    expect(repeats(Buffer.from(`no: ${password}`).toString('latin1'), secret)).toBe(true)
  })

  it('finds nothing in other text, and no empty secret', () => {
    expect(repeats('Authentication failed.', 'hunter2')).toBe(false)
    expect(repeats('Authentication failed.', '')).toBe(false)
    expect(repeats('Authentication failed.', '  ')).toBe(false)
    expect(repeats('Authentication failed.', Buffer.from('\0a\0hunter2').toString('base64'))).toBe(false)
  })
})
