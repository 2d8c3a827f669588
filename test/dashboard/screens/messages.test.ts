import { describe, expect, it } from 'vitest'
import { NO_ARGUMENT, type ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type MessagesState, messagesScreen } from '../../../src/dashboard/screens/messages.js'
import { parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { START } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { fetched, fetching, LUNCH, mailScene, mailSessions, storeOf } from './mail-scene.js'

process.env.TZ = 'UTC'

function screen(state: MessagesState, context: ScreenContext): string {
  return renderScreen(messagesScreen, state, context).join('\n')
}

function open(context: ScreenContext): MessagesState {
  return messagesScreen.open(NO_ARGUMENT, context)
}

describe('the list of messages', () => {
  it('shows every kind of message at 80x24', () => {
    const context = mailScene({ size: SMALL })
    expectGolden('messages-80x24', renderScreen(messagesScreen, open(context), context))
  })

  it('shows every kind of message at 160x45', () => {
    const context = mailScene({ size: LARGE })
    expectGolden('messages-160x45', renderScreen(messagesScreen, open(context), context))
  })

  it('opens the selected message, and its session at the command', () => {
    const context = mailScene()
    const opened = pressKeys(messagesScreen, open(context), context, 'g', 'j', 'enter', 's').effects
    const argument = { session: 'alice-1', number: 5, hold: null }
    expect(opened).toEqual([
      { type: 'open', screen: 'message', argument },
      { type: 'open', screen: 'session', argument },
    ])
  })

  it('follows the newest message until somebody moves, and keeps the selection while more come', () => {
    const store = storeOf(...mailSessions())
    const context = mailScene({ store })
    const following = messagesScreen.settle(open(context), context)
    expect(following.selected?.record.id).toBe('carol-1')
    const stopped = pressKeys(messagesScreen, following, context, 'k').state
    expect(stopped.selected?.record.id).toBe('bob-1')
    fetched(fetching('dave-1', 'dave@example.org', START + 90_000), 1, LUNCH).into(store)
    expect(messagesScreen.settle(stopped, context).selected?.record.id).toBe('bob-1')
    expect(messagesScreen.settle(following, context).selected?.record.id).toBe('dave-1')
    const again = pressKeys(messagesScreen, stopped, context, 'space').state
    expect(again.selected?.record.id).toBe('dave-1')
  })

  it('is filtered by what stands in a message, and counts what it leaves out', () => {
    const context = mailScene({ filter: parseFilter('subject == "Re: lunch" && command == "RETR"') })
    const state = messagesScreen.settle(open(context), context)
    expect(state.listed.map(({ message }) => message.number)).toEqual([5])
    expect(messagesScreen.status(state, context)).toBe('1 of 6 messages  FOLLOW')
  })

  it('is filtered by the session too, and by plain words', () => {
    const numbersOf = (filter: string): readonly number[] => {
      const context = mailScene({ filter: parseFilter(filter) })
      return messagesScreen.settle(open(context), context).listed.map(({ message }) => message.number)
    }
    expect(numbersOf('user.startsWith("bob") && !is_open')).toEqual([4])
    expect(numbersOf('unique_id == "uid-two"')).toEqual([5])
    expect(numbersOf('size > 10000')).toEqual([7])
    expect(numbersOf('attachments.exists(a, a.name.endsWith(".pdf"))')).toEqual([4])
    expect(numbersOf('invoice')).toEqual([4])
    expect(numbersOf('type == "message" && subject == "no such"')).toEqual([])
  })

  it('forgets what a filter said about a message that goes on', () => {
    const script = fetching('s1', 'bob', START).command('RETR 1').reply('+OK').piece(LUNCH.slice(0, 40))
    const store = storeOf(script)
    const context = mailScene({ store, filter: parseFilter('subject == "Re: lunch"') })
    expect(messagesScreen.settle(open(context), context).listed).toHaveLength(0)
    const before = script.events.length
    script.piece(LUNCH.slice(40)).end(LUNCH.length)
    for (const event of script.events.slice(before)) store.add(event)
    expect(messagesScreen.settle(open(context), context).listed).toHaveLength(1)
  })

  it('finds the next message with a text, and says where there is none', () => {
    const context = mailScene()
    const first = messagesScreen.find(open(context), context, 'lunch', 1)
    expect(first?.selected?.message.number).toBe(5)
    const second = first === null ? null : messagesScreen.find(first, context, 'LUNCH', 1)
    expect(second?.selected?.message.verb).toBe('TOP')
    expect(messagesScreen.find(open(context), context, 'nowhere', 1)).toBeNull()
  })

  it('says what to do where it is empty', () => {
    const none = mailScene({ store: new SessionStore() })
    expect(screen(open(none), none)).toContain('each RETR and TOP of a client appears here')
    expect(screen(open(none), { ...none, source: 'recording' })).toContain('No client fetched a message')
    const filtered = mailScene({ filter: parseFilter('subject == "no such"') })
    expect(screen(open(filtered), filtered)).toContain('None of 6 messages is found by the filter')
    expect(pressKeys(messagesScreen, open(none), none, 'enter').effects).toEqual([
      { type: 'say', text: 'No message is listed.', tone: 'attention' },
    ])
  })

  it('writes a message as .eml, and says so where nothing was kept', () => {
    const context = mailScene()
    const [saved] = pressKeys(messagesScreen, open(context), context, 'g', 'j', 'w').effects
    if (saved?.type !== 'save') throw new Error('nothing is saved')
    expect([saved.name, saved.octets.toString()]).toEqual(['alice-1-5.eml', LUNCH])
    const [refused] = pressKeys(messagesScreen, open(context), context, 'g', 'j', 'j', 'j', 'w').effects
    expect(refused).toMatchObject({ type: 'say', tone: 'attention' })
  })
})
