/** A message of 16 MiB is open: no frame costs more than with a message of one. */
import { describe, expect, it } from 'vitest'
import type { ScreenContext } from '../../../src/dashboard/screen-module.js'
import { type MessageState, messageScreen } from '../../../src/dashboard/screens/message.js'
import { SessionStore } from '../../../src/sessions/store.js'
import { START } from '../../sessions/script.js'
import { expectGrowth } from '../../support/growth.js'
import { LARGE, pressKeys, screenContext } from '../../support/screen-rendering.js'
import { changed, fetching, NOW } from './mail-scene.js'

const MEBIBYTE = 1024 * 1024

/** A message of so many octets and some more: nearly all of one attachment, and the more of all else. */
function largeContext(octets: number): ScreenContext {
  const line = `${'QUJD'.repeat(19)}\r\n`
  const times = octets / MEBIBYTE
  const fields = Array.from({ length: 50 * times }, (_, index) => `X-Trace-${index}: passed on`)
  const notes = Array.from({ length: 30 * times }, (_, index) => [
    '--b',
    `Content-Disposition: attachment; filename="note-${index}.txt"`,
    '',
    'a note',
  ])
  const message = [
    'Subject: large',
    ...fields,
    'Content-Type: multipart/mixed; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'line of text\r\n'.repeat(1_000 * times),
    '--b',
    'Content-Type: application/octet-stream; name="large.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    line.repeat(Math.ceil(octets / line.length)),
    ...notes.flat(),
    '--b--',
    '',
  ].join('\r\n')
  const sent = message.replace('Subject: large', 'Subject: [EXT] large').replace('QUJDQUJD', 'QUJDREVG')
  const store = new SessionStore({ sessions: 10, octets: 512 * MEBIBYTE })
  changed(fetching('s1', 'bob', START), 1, message, sent).into(store)
  return screenContext({ now: NOW, size: LARGE, store })
}

function opened(context: ScreenContext): MessageState {
  return messageScreen.open({ session: 's1', number: 4, hold: null }, context)
}

describe('a message of 16 MiB', () => {
  it.each([
    ['overview', []],
    ['headers', ['h']],
    ['text', ['t', 'C-f']],
    ['attachments', ['a']],
    ['raw at its end', ['r', 'S-g']],
    ['hex of the attachment at its end', ['a', 'x', 'S-g']],
    ['diff', ['d']],
  ] as const)('costs a frame what one of 1 MiB costs it, in the tab %s', (_, keys) => {
    expectGrowth('constant', { from: MEBIBYTE }, (octets) => {
      const context = largeContext(octets)
      const shown = pressKeys(messageScreen, opened(context), context, ...keys).state
      expect(shown.opened?.original?.length).toBeGreaterThan(octets)
      return () => {
        const settled = messageScreen.settle(shown, context)
        return [messageScreen.view(settled, context), messageScreen.status(settled, context)]
      }
    })
  })

  it('is searched to its end', () => {
    const context = largeContext(16 * MEBIBYTE)
    const raw = pressKeys(messageScreen, opened(context), context, 'r').state
    const found = messageScreen.find(raw, context, '--b--', 1)
    expect(found?.found).toBeGreaterThan(200_000)
  })
})
