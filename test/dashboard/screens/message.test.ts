import { zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import type { ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type MessageState, messageScreen } from '../../../src/dashboard/screens/message.js'
import { parseFilter } from '../../../src/expression/filter.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { START } from '../../sessions/script.js'
import { LARGE, pressKeys, renderScreen, SMALL } from '../../support/screen-rendering.js'
import { expectGolden } from '../golden.js'
import { changed, fetched, fetching, invoice, LUNCH, mailScene, NOW, storeOf } from './mail-scene.js'

process.env.TZ = 'UTC'

const INVOICE = { session: 'alice-1', number: 4, hold: null }
const CHANGED = { session: 'alice-1', number: 5, hold: null }
const NOT_KEPT = { session: 'alice-1', number: 7, hold: null }
const SIZES = [
  ['80x24', SMALL],
  ['160x45', LARGE],
] as const

function open(argument = INVOICE, context = mailScene()): { state: MessageState; context: ScreenContext } {
  return { state: messageScreen.open(argument, context), context }
}

function press(state: MessageState, context: ScreenContext, ...keys: readonly string[]): MessageState {
  return pressKeys(messageScreen, state, context, ...keys).state
}

function screen(state: MessageState, context: ScreenContext): string {
  return renderScreen(messageScreen, state, context).join('\n')
}

describe('a message on the screen', () => {
  for (const [name, size] of SIZES) {
    it(`shows headers, outline and text at ${name}`, () => {
      const { state, context } = open(INVOICE, mailScene({ size }))
      expectGolden(`message-overview-${name}`, renderScreen(messageScreen, state, context))
    })

    it(`shows what changed on the way at ${name}`, () => {
      const { state, context } = open(CHANGED, mailScene({ size }))
      const rows = renderScreen(messageScreen, press(state, context, 'd'), context)
      expectGolden(`message-diff-${name}`, rows)
    })
  }

  const tabs = {
    headers: ['h'],
    'raw-headers': ['c'],
    text: ['t'],
    attachments: ['a'],
    raw: ['r'],
    hex: ['a', 'x'],
  }
  for (const [name, keys] of Object.entries(tabs)) {
    it(`shows the tab ${name}`, () => {
      const { state, context } = open()
      expectGolden(
        `message-${name}-80x24`,
        renderScreen(messageScreen, press(state, context, ...keys), context),
      )
    })
  }

  it('names the files in an archive among the attachments', () => {
    const archive = Buffer.from(zipSync({ 'a.exe': Buffer.from('x'), 'b\x1b[2J': Buffer.from('y') }))
    const shown = (octets: Buffer): string => {
      const head = 'Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n'
      const script = fetched(fetching('s1', 'bob', START), 1, `${head}${octets.toString('base64')}\r\n`)
      const context = mailScene({ size: LARGE, store: storeOf(script) })
      return screen(
        press(open({ session: 's1', number: 4, hold: null }, context).state, context, 'a'),
        context,
      )
    }
    expect(shown(archive)).toContain('a.zip [a.exe, b\\x1b[2J] ')
    expect(shown(archive.subarray(0, -1))).toContain('a.zip [and what cannot be read] ')
  })

  it('draws the outline in ASCII where there is nothing else', () => {
    const { state, context } = open(INVOICE, mailScene({ isUnicode: false }))
    const rows = renderScreen(messageScreen, state, context)
    expectGolden('message-overview-ascii-80x24', rows)
    expect(rows.join('')).not.toMatch(/[─│├└]/)
  })

  it('says why content is missing and how to have it, on a running proxy and in a recording', () => {
    const live = open(NOT_KEPT)
    expectGolden('message-not-kept-80x24', renderScreen(messageScreen, live.state, live.context))
    const read = open(NOT_KEPT, mailScene({ source: 'recording' }))
    expect(screen(read.state, read.context)).toContain('record with the option --write-messages')
    expect(screen(read.state, read.context)).not.toContain('fetch the message again')
  })

  it('says how much of a message was kept, and how to keep the rest', () => {
    const script = fetching('s1', 'bob', START).command('RETR 1').reply('+OK').piece(LUNCH).end(99_999)
    const { state, context } = open(
      { session: 's1', number: 4, hold: null },
      mailScene({ store: storeOf(script) }),
    )
    expect(screen(state, context)).toContain(`99999 octets  only ${LUNCH.length} kept`)
    expect(screen(state, context)).toContain('To have all of it, record with --write-messages.')
    expect(screen(state, context)).toContain('Noon is fine.')
    const [saved] = pressKeys(messageScreen, state, context, 'w').effects
    expect(saved).toMatchObject({
      type: 'save',
      what: `what was kept of the message, ${LUNCH.length} octets`,
    })
  })

  it('says so where there is no such message', () => {
    const { state, context } = open({ session: 'alice-1', number: 99, hold: null })
    expect(screen(state, context)).toContain('There is no message of command 99 in session alice-1.')
  })
})

describe('a part of a message', () => {
  it('is first the text that a person would read', () => {
    const { state, context } = open()
    expect(screen(state, context)).toMatch(/^> 1\.1\.1/m)
  })

  it('is selected with j and k, and opened as text or octets', () => {
    const { state, context } = open()
    const html = press(state, context, 'j')
    expect(screen(html, context)).toMatch(/^> 1\.1\.2/m)
    expect(screen(press(html, context, 'enter'), context)).toContain('Text of 1.1.2 (text/html')
    const pdf = press(state, context, 'j', 'j', 'enter')
    expect(screen(pdf, context)).toContain('%PDF-1.7')
    expect(screen(press(pdf, context, 'S-k', 't'), context)).toContain('Text of 1.1.2')
  })

  it('is saved decoded, under the name it asks for without any folder', () => {
    const context = mailScene({
      store: storeOf(
        fetched(fetching('s1', 'bob', START), 1, invoice({ file: '../../etc/.passwd;rm -rf $HOME.pdf' })),
      ),
    })
    const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
    const [effect] = pressKeys(messageScreen, state, context, 'a', 's').effects
    if (effect?.type !== 'save') throw new Error('nothing is saved')
    expect(effect.octets.toString('latin1')).toMatch(/^%PDF-1\.7\n(0123456789abcdef)+$/)
    expect(effect.name).toBe('etc_.passwd_rm_-rf_HOME.pdf')
  })

  it('says that it is no text', () => {
    const { state, context } = open()
    expect(screen(press(state, context, 'j', 'j', 't'), context)).toContain(
      'application/pdf, no text: x shows its octets',
    )
  })

  it('shows bidi controls as dots and counts them', () => {
    const mail =
      'Subject: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nname: gnp.\u202eexe\u202c soft\u00adhyphen\r\n'
    const context = mailScene({ store: storeOf(fetched(fetching('s1', 'bob', START), 1, mail)) })
    const text = screen(messageScreen.open({ session: 's1', number: 4, hold: null }, context), context)
    expect(text).toContain('[2 bidi controls, shown as a dot')
    expect(text).toContain('name: gnp.·exe· soft·hyphen')
  })
})

describe('octets of a message', () => {
  it('are saved without byte-stuffing, and of a changed message the version in sight', () => {
    const { state, context } = open(CHANGED)
    const [original] = pressKeys(messageScreen, state, context, 'w').effects
    const [sent] = pressKeys(messageScreen, state, context, 'o', 'w').effects.filter(
      ({ type }) => type === 'save',
    )
    if (original?.type !== 'save' || sent?.type !== 'save') throw new Error('nothing is saved')
    expect(original.octets.toString()).toBe(LUNCH)
    expect(original.name).toBe('alice-1-5.eml')
    expect(sent.octets.toString()).toContain('Subject: [EXT] Re: lunch\r\nX-External: yes\r\n')
  })

  it('of a line that begins with a dot are shown without the one that was added on the wire', () => {
    const { state, context } = open()
    const raw = press(state, context, 'r', 'C-f')
    expect(screen(raw, context)).toMatch(/^ +21 \.a line/m)
  })

  it('are read further to the right, and a character that is cut stays one', () => {
    const mail = `Subject: long\r\n\r\n${'é'.repeat(2_000)}end\r\n`
    const context = mailScene({ store: storeOf(fetched(fetching('s1', 'bob', START), 1, mail)) })
    const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
    const raw = press(state, context, 'r')
    const line = renderScreen(messageScreen, raw, context).find((each) => each.startsWith('   3'))
    expect(line).toMatch(/^ {3}3 é+…$/)
    const far = press(raw, context, ...Array.from({ length: 200 }, () => 'right'))
    expect(screen(far, context)).toMatch(/^ {3}3 é*end$/m)
  })

  it('are searched and found in the tab that they stand in', () => {
    const { state, context } = open()
    const found = messageScreen.find(state, context, 'REGARDS', 1)
    if (found === null) throw new Error('nothing found')
    expect(screen(found, context)).toContain('[t text]')
    const raw = messageScreen.find(press(state, context, 'r'), context, 'the mail within', 1)
    if (raw === null) throw new Error('nothing found')
    expect(screen(raw, context)).toContain('The mail within.')
    expect(messageScreen.find(raw, context, 'not in this mail', 1)).toBeNull()
  })

  it('are found one after the other, and around the end', () => {
    const { state, context } = open()
    let raw: MessageState | null = press(state, context, 'r')
    const lines: number[] = []
    for (let count = 0; count < 3; count += 1) {
      raw = raw === null ? null : messageScreen.find(raw, context, 'base64', 1)
      lines.push(raw?.found ?? -1)
    }
    const [first] = lines
    expect(lines).toEqual([first, first, first])
    expect(first).toBe(32)
    const names: number[] = []
    for (let count = 0; count < 3; count += 1) {
      raw = raw === null ? null : messageScreen.find(raw, context, 'resume.pdf', 1)
      names.push(raw?.found ?? -1)
    }
    expect(names).toEqual([33, 31, 33])
  })

  it('are copied as the tab shows them', () => {
    const { state, context } = open()
    const [effect] = pressKeys(messageScreen, state, context, 't', 'y').effects
    if (effect?.type !== 'copy') throw new Error('nothing is copied')
    expect(effect.text).toMatch(/^Hello Alice,\n/)
  })
})

describe('the messages around it', () => {
  it('are the ones that the list shows, filter and all', () => {
    const context = mailScene({ filter: parseFilter('command == "RETR"') })
    const state = messageScreen.open(CHANGED, context)
    expect(messageScreen.status(state, context)).toBe('message 2 of 5')
    const next = press(state, context, ']')
    expect(next.argument).toEqual({ session: 'alice-1', number: 7, hold: null })
    const last = pressKeys(messageScreen, next, context, ']', ']', ']')
    expect(last.state.argument.session).toBe('carol-1')
    expect(last.effects).toEqual([
      { type: 'say', text: 'This is the last message that the filter finds.', tone: 'plain' },
    ])
    expect(press(next, context, '[').argument).toEqual(CHANGED)
  })

  it('keep the tab that a person looks at', () => {
    const { state, context } = open()
    expect(screen(press(state, context, 'd', ']'), context)).toContain('+ Subject: [EXT] Re: lunch')
  })
})

describe('a message that changes while it is looked at', () => {
  it('is read again when its end comes, and stays when its session is dropped', () => {
    const script = fetching('s1', 'bob', START)
    const store = storeOf(script)
    const before = script.events.length
    script.command('RETR 1').reply('+OK').piece(LUNCH.slice(0, 70))
    for (const event of script.events.slice(before)) store.add(event)
    const context = mailScene({ store })
    const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
    expect(screen(state, context)).toContain('still running')
    expect(screen(state, context)).not.toContain('Noon')
    const middle = script.events.length
    script.piece(LUNCH.slice(70)).end(LUNCH.length)
    for (const event of script.events.slice(middle)) store.add(event)
    const settled = messageScreen.settle(state, context)
    expect(screen(settled, context)).toContain('Noon is fine.')
    const elsewhere = { ...context, store: new SessionStore() }
    expect(screen(settled, elsewhere)).toContain('Noon is fine.')
  })

  it('is not read at every piece', () => {
    const script = fetching('s1', 'bob', START).command('RETR 1').reply('+OK').piece(LUNCH.slice(0, 70))
    const store = storeOf(script)
    const context = mailScene({ store })
    const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
    script.piece(LUNCH.slice(70))
    const last = script.events.at(-1)
    if (last !== undefined) store.add(last)
    expect(messageScreen.settle(state, { ...context, now: NOW + 100 }).opened).toBe(state.opened)
    const later = { ...context, now: NOW + 1_100 }
    expect(screen(messageScreen.settle(state, later), later)).toContain('Noon is fine.')
  })
})

describe('versions of a message', () => {
  it('are one where the client got what the server sent', () => {
    const { state, context } = open()
    const { effects } = pressKeys(messageScreen, state, context, 'o')
    expect(effects).toEqual([
      { type: 'say', text: 'There is one version only: the client got what the server sent.', tone: 'plain' },
    ])
  })

  it('differ by a body too long for lines, told by its first difference', () => {
    const body = Array.from({ length: 5_000 }, (_, index) => `line ${index}`)
    const mail = `Subject: long\r\n\r\n${body.join('\r\n')}\r\n`
    const store = storeOf(
      changed(fetching('s1', 'bob', START), 1, mail, mail.replace('line 4321\r', 'line no\r')),
    )
    const context = mailScene({ store })
    const state = messageScreen.open({ session: 's1', number: 4, hold: null }, context)
    const text = screen(press(state, context, 'd'), context)
    expect(text).toContain('in its line 4322')
    expect(text).toContain('- line 4321')
    expect(text).toContain('+ line no')
  })
})
