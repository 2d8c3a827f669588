import { describe, expect, it } from 'vitest'
import { type GatheredMessage, MessageGatherer } from '../../src/export/gather-messages.js'
import { Interventions, type Leg } from '../../src/export/interventions.js'
import type { TraceContent, TraceEvent } from '../../src/trace/event.js'
import { fetchSession, MAIL, stuffed } from './sessions.js'

function gather(
  events: readonly TraceEvent[],
  leg: Leg = 'client',
): { readonly messages: readonly GatheredMessage[]; readonly notWhole: number } {
  const interventions = new Interventions()
  for (const event of events) interventions.note(event)
  const gatherer = new MessageGatherer(leg, interventions)
  const messages = events.map((event) => gatherer.add(event)).filter((message) => message !== null)
  return { messages, notWhole: gatherer.notWhole }
}

describe('the messages of a session', () => {
  it('come octet for octet, without byte-stuffing, with their numbers', () => {
    const { traces } = fetchSession([MAIL, 'Subject: two\r\n\r\n'])
    const { messages, notWhole } = gather(traces)
    expect(messages.map(({ octets }) => octets.toString('latin1'))).toEqual([MAIL, 'Subject: two\r\n\r\n'])
    expect(messages).toMatchObject([
      { session: 's1', number: 4, messageNumber: '1', user: 'bob' },
      { session: 's1', number: 5, messageNumber: '2', user: 'bob' },
    ])
    expect(notWhole).toBe(0)
  })

  it('are counted where the recording has less than passed', () => {
    const { traces } = fetchSession([MAIL, 'x\r\n'], { attention: { isWatched: true, messageOctets: 20 } })
    const { messages, notWhole } = gather(traces)
    expect(messages.map(({ messageNumber }) => messageNumber)).toEqual(['2'])
    expect(notWhole).toBe(1)
  })

  it('are those of RETR and of TOP for everything, no other content', () => {
    const { traces } = fetchSession([MAIL])
    const asked = (shown: string): readonly TraceEvent[] =>
      traces.map((event) =>
        event.content.type === 'command' && event.content.verb === 'RETR'
          ? { ...event, content: { ...event.content, shown } }
          : event,
      )
    expect(gather(asked('TOP 1 99999999')).messages).toMatchObject([{ messageNumber: '1' }])
    expect(gather(asked('TOP 1 20'))).toEqual({ messages: [], notWhole: 0 })
  })

  it('differ by leg where the client got another one', () => {
    const { traces } = fetchSession([MAIL])
    const end = traces.findIndex(({ content }) => content.type === 'content-end' && content.verb === 'RETR')
    const replaced: TraceContent = {
      type: 'content',
      number: 4,
      verb: 'RETR',
      source: 'postern',
      wire: Buffer.from(stuffed('Subject: other\r\n\r\n.x\r\n')),
    }
    const event = { ...traces[end]!, content: replaced }
    const events = [...traces.slice(0, end + 1), event, ...traces.slice(end + 1)]
    const text = (leg: Leg): readonly string[] =>
      gather(events, leg).messages.map(({ octets }) => octets.toString('latin1'))
    expect(text('client')).toEqual(['Subject: other\r\n\r\n.x\r\n'])
    expect(text('server')).toEqual([MAIL])
  })

  it('are none where the client was refused instead', () => {
    const { traces } = fetchSession([MAIL])
    const end = traces.findIndex(({ content }) => content.type === 'content-end' && content.verb === 'RETR')
    const refusal: TraceContent = {
      type: 'reply',
      number: 4,
      verb: 'RETR',
      source: 'postern',
      indicator: '-ERR',
      responseCode: null,
      text: 'no',
      afterMs: 1,
      wire: null,
    }
    const event = { ...traces[end]!, content: refusal }
    const events = [...traces.slice(0, end + 1), event, ...traces.slice(end + 1)]
    expect(gather(events)).toEqual({ messages: [], notWhole: 0 })
    expect(gather(events, 'server').messages).toHaveLength(1)
  })
})
