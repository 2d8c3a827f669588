import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headOf, type ListedMessage, listMessages } from '../../../src/dashboard/screens/message-list.js'
import { parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { START } from '../../sessions/script.js'
import { changed, fetched, fetching, LUNCH, mailSessions, storeOf } from './mail-scene.js'

function told(messages: readonly ListedMessage[]): readonly string[] {
  return messages.map(({ record, message }) => `${record.id} ${message.number} ${message.octets}`)
}

describe('the list of all messages', () => {
  it('is what a list made anew would be, however sessions come, interleave and are dropped', () => {
    const session = fc.record({
      messages: fc.integer({ min: 0, max: 4 }),
      startMs: fc.integer({ min: 0, max: 60 }),
    })
    fc.assert(
      fc.property(
        fc.array(session, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 8 }),
        (all, kept) => {
          const scripts = all.map(({ messages, startMs }, index) => {
            const script = fetching(`s${index}`, 'bob', START + startMs)
            for (let each = 1; each <= messages; each += 1) fetched(script, each, LUNCH)
            return script
          })
          const store = new SessionStore({ sessions: kept, octets: 1024 * 1024 })
          const events = scripts.flatMap((script) => script.events).toSorted((a, b) => a.at - b.at)
          const errors = parseFilter('errors == 0')
          for (const event of events) {
            store.add(event)
            const listed = told(listMessages(store, null))
            const anew = new SessionStore({ sessions: kept, octets: 1024 * 1024 })
            for (const before of events.slice(0, events.indexOf(event) + 1)) anew.add(before)
            expect(listed).toEqual(told(listMessages(anew, null)))
            expect(told(listMessages(store, errors))).toEqual(listed)
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  it('is the same array until something changes', () => {
    const store = storeOf(...mailSessions())
    const filter = parseFilter('command == "RETR"')
    const before = listMessages(store, filter)
    expect(listMessages(store, null)).toBe(listMessages(store, null))
    expect(listMessages(store, filter)).toBe(before)
    fetched(fetching('late', 'bob', START + 90_000), 1, LUNCH).into(store)
    expect(listMessages(store, filter)).toHaveLength(before.length + 1)
  })

  it('flags what a person must know of a message', () => {
    const flags = listMessages(storeOf(...mailSessions()), null).map((listed) => headOf(listed).flags)
    expect(flags).toEqual([[], ['changed'], ['top'], ['not-kept'], ['broken-off'], ['running']])
    const cut = fetching('s1', 'bob', START).command('RETR 1').reply('+OK').piece(LUNCH).end(99_999)
    const [partly] = listMessages(storeOf(cut), null)
    expect(partly === undefined ? [] : headOf(partly).flags).toEqual(['partly-kept'])
    const both = changed(fetching('s1', 'bob', START), 1, LUNCH, LUNCH.replace('Noon', 'One'))
    const [replaced] = listMessages(storeOf(both), null)
    expect(replaced === undefined ? [] : headOf(replaced)).toEqual({
      subject: 'Re: lunch',
      from: 'Bob <bob@example.com>',
      flags: ['changed'],
    })
  })
})
