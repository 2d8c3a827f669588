import { describe, expect, it } from 'vitest'
import { COMMAND_TABLE, UNKNOWN_MULTI_LINE_VERB, UNKNOWN_VERB } from '../../src/pop3/command-table.js'

const rows = [...COMMAND_TABLE.values()]

function verbsWhere(holds: (row: (typeof rows)[number]) => boolean): string {
  return rows
    .filter(holds)
    .map((row) => row.verb)
    .join(' ')
}

describe('COMMAND_TABLE', () => {
  it('finds each row by its verb in upper case, and no property of objects', () => {
    for (const [verb, row] of COMMAND_TABLE) {
      expect(row.verb).toBe(verb)
      expect(verb).toBe(verb.toUpperCase())
    }
    for (const name of ['__proto__', 'constructor', 'TOSTRING'])
      expect(COMMAND_TABLE.get(name)).toBeUndefined()
  })

  it('says of every verb where it is written', () => {
    for (const row of rows) expect(row.source, row.verb).toMatch(/RFC \d+|Eudora|Dovecot|SDPS/)
  })

  it('asks for no more arguments than it has forms, and ends with the form that takes the rest', () => {
    for (const row of [...rows, UNKNOWN_VERB]) {
      expect(row.required, row.verb).toBeLessThanOrEqual(row.arguments.length)
      const rest = row.arguments.findIndex((form) => form.startsWith('secret'))
      if (rest >= 0) expect(rest, row.verb).toBe(row.arguments.length - 1)
    }
  })

  it('holds back what follows a login, STLS, QUIT and whatever nobody knows', () => {
    for (const row of rows) if (row.logsIn) expect(row.holdsNext, row.verb).toBe(true)
    for (const verb of ['STLS', 'QUIT']) expect(COMMAND_TABLE.get(verb)?.holdsNext).toBe(true)
    expect(UNKNOWN_VERB.holdsNext).toBe(true)
    expect(UNKNOWN_MULTI_LINE_VERB).toEqual({ ...UNKNOWN_VERB, reply: 'multi-line' })
    for (const verb of ['RETR', 'DELE', 'TOP', 'LIST', 'UIDL', 'STAT', 'NOOP', 'CAPA', 'USER']) {
      expect(COMMAND_TABLE.get(verb)?.holdsNext, verb).toBe(false)
    }
  })

  it('has the states of RFC 1939, 2449, 2595, 5034 and 6856', () => {
    expect(verbsWhere((row) => !row.states.includes('TRANSACTION'))).toBe(
      'USER PASS APOP AUTH STLS UTF8 RPOP XCLIENT',
    )
    expect(verbsWhere((row) => row.states.length === 2)).toBe('CAPA LANG QUIT')
    expect(verbsWhere((row) => row.states.includes('UPDATE'))).toBe('')
  })

  it('has the verbs that answer in several lines', () => {
    expect(verbsWhere((row) => row.reply === 'multi-line')).toBe('CAPA RETR TOP *ENV')
    expect(verbsWhere((row) => row.reply === 'multi-line-without-argument')).toBe('LANG LIST UIDL')
    expect(verbsWhere((row) => row.reply === 'sasl')).toBe('AUTH')
    expect(verbsWhere((row) => row.logsIn)).toBe('PASS APOP AUTH RPOP')
  })
})
