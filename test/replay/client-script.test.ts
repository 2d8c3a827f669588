import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/pop3/secret.js'
import { clientScript, ReplayError } from '../../src/replay/client-script.js'
import { recordedSession } from '../support/recorded-session.js'

const CREDENTIALS = { user: 'bob', password: new Secret(Buffer.from('hunter2 x')) }

describe("the script of a recorded session's client", () => {
  it('repeats commands in order, with the account that is given in the place of the recorded one', () => {
    const record = recordedSession([
      ['CAPA', '+OK', 'TOP\r\n'],
      ['USER alice', '+OK'],
      ['PASS [redacted]', '+OK'],
      ['LIST', '+OK', '1 5\r\n'],
      ['LIST 1', '+OK 1 5'],
      ['QUIT', '+OK'],
    ])
    const { lines, notes } = clientScript(record, { credentials: CREDENTIALS, deletes: false, instead: null })
    expect(lines.map(({ wire }) => wire.toString())).toEqual([
      'CAPA\r\n',
      'USER bob\r\n',
      'PASS hunter2 x\r\n',
      'LIST\r\n',
      'LIST 1\r\n',
      'QUIT\r\n',
    ])
    expect(lines.map(({ shape }) => shape)).toEqual([
      'multi-line',
      'single-line',
      'single-line',
      'multi-line',
      'single-line',
      'single-line',
    ])
    expect(lines.map(({ shown }) => shown).join('\n')).not.toContain('hunter2')
    expect(notes).toEqual([])
  })

  it('deletes nothing unless told to, and always says QUIT', () => {
    const record = recordedSession([['DELE 1', '+OK']])
    const careful = clientScript(record, { credentials: null, deletes: false, instead: null })
    expect(careful.lines.map(({ shown }) => shown)).toEqual(['QUIT'])
    expect(careful.notes.join('\n')).toMatch(/DELE is left out[\s\S]*QUIT is sent/)
    const deleting = clientScript(record, { credentials: null, deletes: true, instead: null })
    expect(deleting.lines.map(({ shown }) => shown)).toEqual(['DELE 1', 'QUIT'])
  })

  it('plays another login as USER and PASS, and says so', () => {
    const record = recordedSession([
      ['AUTH CRAM-MD5', '+OK'],
      ['QUIT', '+OK'],
    ])
    const { lines, notes } = clientScript(record, { credentials: CREDENTIALS, deletes: false, instead: null })
    expect(lines.map(({ wire }) => wire.toString())).toEqual([
      'USER bob\r\n',
      'PASS hunter2 x\r\n',
      'QUIT\r\n',
    ])
    expect(notes).toEqual([expect.stringMatching(/^AUTH is played as USER and PASS/)])
  })

  it('plays of several logins the one that succeeded, and goes on only with it', () => {
    const record = recordedSession([
      ['AUTH PLAIN', '-ERR no'],
      ['USER alice', '+OK'],
      ['PASS [redacted]', '-ERR no'],
      ['USER bob', '+OK'],
      ['PASS [redacted]', '+OK'],
      ['QUIT', '+OK'],
    ])
    const { lines, notes } = clientScript(record, { credentials: CREDENTIALS, deletes: false, instead: null })
    expect(lines.map(({ shown, mustLogIn }) => [shown, mustLogIn])).toEqual([
      ['USER bob', false],
      ['PASS [redacted]', true],
      ['QUIT', false],
    ])
    expect(notes).toEqual(['of several logins only one is played'])
  })

  it('tells which recorded command each line repeats', () => {
    const record = recordedSession([
      ['STLS', '+OK'],
      ['USER alice', '+OK'],
      ['PASS [redacted]', '+OK'],
      ['DELE 1', '+OK'],
      ['STAT', '+OK 1 1'],
    ])
    const own = clientScript(record, {
      credentials: { ...CREDENTIALS, user: 'alice' },
      deletes: false,
      instead: null,
    })
    expect(own.lines.map(({ shown, repeats }) => [shown, repeats])).toEqual([
      ['USER alice', 2],
      ['PASS [redacted]', 3],
      ['STAT', 5],
      ['QUIT', null],
    ])
    const other = clientScript(record, { credentials: CREDENTIALS, deletes: false, instead: null })
    expect(other.lines.map(({ repeats }) => repeats)).toEqual([null, null, 5, null])
  })

  it('asks for an account where the session logged in, and leaves out what is redacted', () => {
    const login = recordedSession([['USER alice', '+OK']])
    expect(() => clientScript(login, { credentials: null, deletes: false, instead: null })).toThrow(
      ReplayError,
    )
    const odd = recordedSession([['[redacted]', '-ERR']])
    const { lines, notes } = clientScript(odd, { credentials: null, deletes: false, instead: null })
    expect(lines.map(({ shown }) => shown)).toEqual(['QUIT'])
    expect(notes[0]).toMatch(/redacted/)
  })

  it('cannot be made to send two lines by what a recording or a user name says', () => {
    const record = recordedSession([['USER alice', '+OK']])
    const credentials = { ...CREDENTIALS, user: 'bob\r\nDELE 1' }
    expect(() => clientScript(record, { credentials, deletes: false, instead: null })).toThrow(TypeError)
    const forged = recordedSession([['NOOP\r\nDELE 1', '+OK']])
    expect(() => clientScript(forged, { credentials: null, deletes: true, instead: null })).toThrow(
      /more than one line/,
    )
  })

  it('gives commands of your own behind the recorded login, and nothing else of the recording', () => {
    const record = recordedSession([
      ['CAPA', '+OK', 'TOP\r\n'],
      ['USER alice', '+OK'],
      ['PASS [redacted]', '+OK'],
      ['RETR 1', '+OK', 'a\r\n'],
      ['QUIT', '+OK'],
    ])
    const instead = ['TOP 1 0', 'UIDL']
    const { lines } = clientScript(record, { credentials: CREDENTIALS, deletes: false, instead })
    expect(lines.map(({ wire }) => wire.toString())).toEqual([
      'CAPA\r\n',
      'USER bob\r\n',
      'PASS hunter2 x\r\n',
      'TOP 1 0\r\n',
      'UIDL\r\n',
      'QUIT\r\n',
    ])
    expect(lines.map(({ shape }) => shape).slice(3)).toEqual(['multi-line', 'multi-line', 'single-line'])
  })

  it.each(['', ' ', 'NOOP\r\nDELE 1', 'NOOP\n'])('refuses %j as a command of your own', (command) => {
    const options = { credentials: null, deletes: false, instead: [command] }
    expect(() => clientScript(recordedSession([]), options)).toThrow(/is no command/)
  })
})
