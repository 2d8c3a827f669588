import { describe, expect, it } from 'vitest'
import { messagesOf } from '../../src/sessions/messages.js'
import { SessionStore } from '../../src/sessions/store.js'
import { loggedIn } from './script.js'

const STUFFED = 'Subject: a\r\n\r\n..dot\r\n'
const PLAIN = 'Subject: a\r\n\r\n.dot\r\n'

describe('messagesOf', () => {
  it('puts a message together from its pieces, without byte-stuffing', () => {
    const script = loggedIn().exchange('UIDL', '+OK', '1 a\r\n2 bcd\r\n').command('RETR 2').reply('+OK')
    for (const octet of STUFFED) script.piece(octet)
    const [message, ...others] = messagesOf(script.end(PLAIN.length).record())
    expect(others).toEqual([])
    expect(message).toMatchObject({
      session: 's1',
      number: 4,
      verb: 'RETR',
      messageNumber: 2,
      uniqueId: 'bcd',
    })
    expect(message?.original?.toString()).toBe(PLAIN)
    expect(message).toMatchObject({ octets: PLAIN.length, isWhole: true, notKept: 0, sent: null })
  })

  it('tells what of a message was not kept', () => {
    const [message] = messagesOf(loggedIn().command('RETR 1').reply('+OK').piece('Sub').end(100).record())
    expect(message).toMatchObject({ octets: 100, isWhole: false, notKept: 97 })
    const [none] = messagesOf(loggedIn().command('RETR 1').reply('+OK').end(100).record())
    expect(none).toMatchObject({ original: null, isWhole: false, notKept: 100 })
  })

  it('has what the client got in place of it beside the original', () => {
    const script = loggedIn().command('RETR 1').reply('+OK').piece(STUFFED).piece('..other\r\n', 'postern')
    const [message] = messagesOf(script.end(PLAIN.length).record())
    expect(message?.original?.toString()).toBe(PLAIN)
    expect(message?.sent?.toString()).toBe('.other\r\n')
  })

  it('lists a message that still comes, and none that was refused', () => {
    const script = loggedIn().exchange('RETR 1', '-ERR no such message').command('TOP 2 0').reply('+OK')
    expect(messagesOf(script.record())).toMatchObject([{ number: 4, octets: null, isWhole: false }])
  })

  it('takes the unique-id out of the reply to UIDL with an argument', () => {
    const script = loggedIn().exchange('UIDL 1', '+OK 1 xyz').exchange('RETR 1', '+OK', PLAIN)
    expect(messagesOf(script.record())[0]?.uniqueId).toBe('xyz')
  })

  it('lets a message be the same object until something of it comes', () => {
    const store = new SessionStore()
    const script = loggedIn().exchange('RETR 1', '+OK', PLAIN).command('RETR 2').reply('+OK')
    script.into(store)
    const record = store.get('s1')
    if (record === null) throw new Error('no session')
    const before = messagesOf(record)
    const told = script.events.length
    for (const event of script.piece(PLAIN).end(PLAIN.length).events.slice(told)) store.add(event)
    const after = messagesOf(record)
    expect(after[0]).toBe(before[0])
    expect(after[1]).not.toBe(before[1])
    expect(after[1]?.isWhole).toBe(true)
  })
})
