/** Sessions as the relay tells them, for exports: played without sockets, with content told to who watches. */
import type { GatheredMessage } from '../../src/export/gather-messages.js'
import type { Attention, TraceContent, TraceEvent } from '../../src/trace/event.js'
import { Conversation, type ConversationOptions } from '../support/conversation.js'

export const WATCHED: Attention = { isWatched: true, messageOctets: 1_000_000 }

export const MAIL = 'From: a@example.org\r\nSubject: dots\r\n\r\n.\r\n..x\r\nFrom the start\r\nend\r\n'

/** Byte-stuffs whole lines. RFC 1939 §3. */
export function stuffed(mail: string): string {
  return mail.replace(/^\./gm, '..')
}

/** Opens, logs in, fetches `mails` one by one and quits. Time moves at each line. */
export function fetchSession(mails: readonly string[], options: ConversationOptions = {}): Conversation {
  const conversation = new Conversation({ attention: WATCHED, offersStls: false, ...options })
  const say = (side: 'client' | 'server', text: string): void => {
    conversation.now += 1.25
    conversation[side](text)
  }
  conversation.feed({ type: 'accepted' })
  conversation.feed({ type: 'server-reached' })
  if (options.server === 'tls') conversation.tls('server')
  say('server', '+OK ready\r\n')
  if (options.offersStls === true) {
    say('client', 'STLS\r\n')
    conversation.tls('client')
  }
  say('client', 'CAPA\r\n')
  say('server', '+OK\r\nUIDL\r\nTOP\r\n.\r\n')
  say('client', 'USER bob\r\n')
  say('server', '+OK\r\n')
  say('client', 'PASS sesame-street\r\n')
  say('server', '+OK logged in\r\n')
  mails.forEach((mail, index) => {
    say('client', `RETR ${index + 1}\r\n`)
    say('server', `+OK ${mail.length} octets\r\n${stuffed(mail).slice(0, 20)}`)
    say('server', `${stuffed(mail).slice(20)}.\r\n`)
  })
  say('client', 'QUIT\r\n')
  say('server', '+OK bye\r\n')
  return conversation
}

export function contentsOf<Type extends TraceContent['type']>(
  events: readonly TraceEvent[],
  type: Type,
): readonly Extract<TraceContent, { type: Type }>[] {
  return events.flatMap(({ content }) =>
    content.type === type ? [content as Extract<TraceContent, { type: Type }>] : [],
  )
}

/** When {@link message} passed. */
export const AT = Date.UTC(2026, 10, 1, 9, 5, 7)

/** A message of octets in Latin-1. */
export function message(octets: string, more: Partial<GatheredMessage> = {}): GatheredMessage {
  const plain = { session: '7f3a-1', number: 4, messageNumber: '2', user: 'bob', at: AT }
  return { ...plain, octets: Buffer.from(octets, 'latin1'), ...more }
}
