/** Sessions in which rules changed, hid and answered: what exports make of them, against what the client really got. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CaptureReader } from '../../src/export/capture-file.js'
import { type GatheredMessage, MessageGatherer } from '../../src/export/gather-messages.js'
import { Interventions, type Leg } from '../../src/export/interventions.js'
import { PcapngExport } from '../../src/export/pcapng-export.js'
import { contentOf } from '../../src/export/tcp-segment.js'
import { noticeOf } from '../../src/mail/notice.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { HIT, loggedIn } from '../sessions/script.js'
import { Conversation } from '../support/conversation.js'
import {
  type Fate,
  type ModelMessage,
  ModelRules,
  ModelServer,
  NOTICE,
  noticesAre,
  settle,
} from '../support/model-maildrop.js'
import { WATCHED } from './sessions.js'

noticesAre((header) => noticeOf(Buffer.from(header, 'latin1'), NOTICE).toString('latin1'))

function interventionsIn(events: readonly TraceEvent[]): Interventions {
  const interventions = new Interventions()
  for (const event of events) interventions.note(event)
  return interventions
}

/** What a leg's far end sent toward the opener of it, and the comments of the file. */
function exported(
  events: readonly TraceEvent[],
  leg: Leg,
): { readonly octets: string; readonly file: string } {
  const pcapng = new PcapngExport({
    application: 'postern test',
    legs: [leg],
    keyLog: null,
    interventions: interventionsIn(events),
  })
  const file = Buffer.concat([pcapng.begin(), ...events.map((event) => pcapng.add(event)), pcapng.end()])
  const reader = new CaptureReader()
  const octets = [...reader.push(file), ...reader.end()].flatMap((item) => {
    if (item.type === 'problem') throw new Error(item.text)
    const content = contentOf(item.packet)
    return content.type === 'segment' && content.segment.sourcePort === 110 ? [content.segment.payload] : []
  })
  return { octets: Buffer.concat(octets).toString('latin1'), file: file.toString('latin1') }
}

function gathered(
  events: readonly TraceEvent[],
  leg: Leg = 'client',
): { readonly messages: readonly GatheredMessage[]; readonly notWhole: number } {
  const gatherer = new MessageGatherer(leg, interventionsIn(events))
  const messages = events.map((event) => gatherer.add(event)).filter((message) => message !== null)
  return { messages, notWhole: gatherer.notWhole }
}

/** Sizes in status lines are made true on their way and told as the server said them. */
function withoutSizes(text: string): string {
  return text.replace(/^\+OK \d+ octets\r\n/gm, '+OK\r\n')
}

const fate = fc.record<Fate>({
  kind: fc.constantFrom('none', 'hide', 'tag', 'body', 'notice', 'keep', 'refuse'),
  sight: fc.constantFrom('listing', 'header', 'message'),
})
const line = fc.constantFrom('', '.', '..', '.cat', 'a cat', 'dog', 'x'.repeat(100), 'cat.')
const maildrop: fc.Arbitrary<readonly ModelMessage[]> = fc
  .array(
    fc.record({
      octets: fc
        .array(line, { maxLength: 8 })
        .map((lines) => `Subject: a mail\r\n\r\n${lines.map((each) => `${each}\r\n`).join('')}`),
      fate,
    }),
    { maxLength: 5 },
  )
  .map((messages) => messages.map((message, index) => ({ ...message, uniqueId: `id-${index}` })))
const number = fc.integer({ min: 0, max: 6 })
const command = fc.oneof(
  fc.constantFrom('STAT', 'LIST', 'UIDL', 'RSET'),
  number.map((n) => `RETR ${n}`),
  number.map((n) => `TOP ${n} 1`),
  number.map((n) => `DELE ${n}`),
)

function inPieces(size: number): (octets: string) => readonly string[] {
  return (text) =>
    Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size))
}

describe('a session with rules', () => {
  it('has in its exports what the client got, however the octets came', () => {
    fc.assert(
      fc.property(
        maildrop,
        fc.array(command, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(1, 7, 50, 65_536),
        (messages, commands, pieceOctets) => {
          const rules = new ModelRules(messages)
          const it = Conversation.loggedIn({ rules, attention: WATCHED }, ['UIDL'])
          const server = new ModelServer(messages, { hasTop: true, hasUniqueIds: true, pipelines: false })
          const replies = commands.map((each) => {
            it.client(`${each}\r\n`)
            settle(it, server, inPieces(pieceOctets))
            return { command: each, reply: it.takeToClient() }
          })
          const got = replies.map(({ reply }) => reply).join('')
          const { octets } = exported(it.traces, 'client')
          expect(withoutSizes(octets).endsWith(withoutSizes(got))).toBe(true)
          const fetched = replies
            .filter((each) => each.command.startsWith('RETR') && each.reply.startsWith('+OK'))
            .map(({ reply }) => reply.slice(reply.indexOf('\r\n') + 2, -3).replace(/^\./gm, ''))
          const { messages: found, notWhole } = gathered(it.traces)
          expect(found.map((each) => each.octets.toString('latin1'))).toEqual(fetched)
          expect(notWhole).toBe(0)
        },
      ),
      { numRuns: 300 },
    )
  })

  const MAIL = 'Subject: hello\r\n\r\nhello\r\n'

  it('has a message in two pieces once, and counts one whose end was not kept', () => {
    const fetch = (...pieces: readonly string[]) => {
      const script = loggedIn().command('RETR 1').reply('+OK').piece(MAIL)
      for (const piece of pieces) script.piece(piece, 'postern')
      return script.end(MAIL.length).quit().events
    }
    const whole = fetch('X: y\r\nSubject: hello\r\n\r\n', 'hello\r\n')
    expect(gathered(whole).messages.map(({ octets }) => octets.toString())).toEqual([`X: y\r\n${MAIL}`])
    expect(gathered(whole, 'server').messages.map(({ octets }) => octets.toString())).toEqual([MAIL])
    expect(exported(whole, 'client').octets).toContain(`X: y\r\n${MAIL}.\r\n+OK`)
    expect(exported(whole, 'server').octets).toContain(`+OK\r\n${MAIL}.\r\n+OK`)
    const cut = fetch('X: y\r\nSubject: hello\r\n\r\n', 'hel')
    expect(gathered(cut)).toEqual({ messages: [], notWhole: 1 })
    expect(exported(cut, 'client').file).toContain('the end of what the client got is not in the recording')
  })

  it('says at packets which rules held, and that what postern asked for them is missing', () => {
    const script = loggedIn().command('LIST').hit().hit({ mode: 'shadow', rule: 'other' })
    script
      .hit({ mode: 'failed', rule: 'virus', reason: 'clamd is gone' })
      .tell({ type: 'maildrop-seen', messages: 3, remembered: 0, headers: 3, whole: 1, hidden: 0 })
      .tell({ type: 'rules-blind', text: 'the server refused LIST' })
      .reply('+OK', { source: 'postern' })
      .piece('1 20\r\n', 'postern')
    const { events } = script.quit()
    const client = exported(events, 'client').file
    expect(client).toContain(`rule "${HIT.rule}", message 1 of the server: tag-subject "[EXT]"`)
    expect(client).toContain('rule "other" (shadow, nothing is done)')
    expect(client).toContain('rule "virus", message 1 of the server: could not be asked: clamd is gone')
    expect(client).toContain('rules could not be asked about this maildrop: the server refused LIST')
    expect(client).not.toContain('its own commands')
    expect(exported(events, 'server').file).toContain(
      'postern looked at the maildrop for its rules here (3 header sections, 1 whole messages)',
    )
  })

  it('ends a listing of nothing that postern made', () => {
    const { events } = loggedIn().command('LIST').reply('+OK 0 messages', { source: 'postern' }).quit()
    expect(exported(events, 'client').octets).toContain('+OK 0 messages\r\n.\r\n+OK')
  })
})
