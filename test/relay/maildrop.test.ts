import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noticeOf } from '../../src/mail/notice.js'
import { HoldingRoom } from '../../src/relay/holding-room.js'
import { NO_INTERCEPTOR } from '../../src/relay/interception.js'
import type { RelayEffect } from '../../src/relay/relay-input.js'
import type { JudgeAnswers } from '../../src/rules/verdict.js'
import { Conversation, type ConversationOptions } from '../support/conversation.js'
import {
  type Fate,
  type ModelMessage,
  type ModelOptions,
  ModelRules,
  ModelServer,
  ModelView,
  NOTICE,
  noticesAre,
  settle,
} from '../support/model-maildrop.js'

noticesAre((header) => noticeOf(Buffer.from(header, 'latin1'), NOTICE).toString('latin1'))

const fate = fc.record<Fate>({
  kind: fc.constantFrom(
    'none',
    'none',
    'hide',
    'tag',
    'body',
    'output',
    'output-and-tag',
    'notice',
    'keep',
    'refuse',
    'quarantine',
  ),
  sight: fc.constantFrom('listing', 'header', 'message', 'judge'),
})

const line = fc.constantFrom('', '.', '..', '.cat', 'a cat and a cat', 'dog', 'x'.repeat(100), '. ', 'cat.')
const octets = fc.array(line, { maxLength: 8 }).map((lines) => {
  const body = lines.map((each) => `${each}\r\n`).join('')
  return `Subject: a mail\r\nFrom: a@example.org\r\n.dot: x\r\n\r\n${body}`
})

const maildrop: fc.Arbitrary<readonly ModelMessage[]> = fc
  .array(fc.record({ octets, fate }), { maxLength: 6 })
  .map((messages) => messages.map((message, index) => ({ ...message, uniqueId: `id-${index}` })))

const options = fc.record<ModelOptions>({
  hasTop: fc.boolean(),
  hasUniqueIds: fc.boolean(),
  pipelines: fc.boolean(),
})

const number = fc.integer({ min: 0, max: 7 })
const command = fc.oneof(
  fc.constantFrom('STAT', 'LIST', 'UIDL', 'RSET', 'NOOP'),
  number.map((n) => `LIST ${n}`),
  number.map((n) => `UIDL ${n}`),
  number.map((n) => `RETR ${n}`),
  fc.tuple(number, fc.constantFrom(0, 1, 3, 99_999_999)).map(([n, lines]) => `TOP ${n} ${lines}`),
  number.map((n) => `DELE ${n}`),
)

/** Commands in one go, and how the octets of either side are torn. */
const dialogue = fc.record({
  batches: fc.array(fc.array(command, { minLength: 1, maxLength: 5 }), { maxLength: 8 }),
  pieceOctets: fc.constantFrom(1, 2, 7, 65_536),
})

function inPieces(size: number): (octets: string) => readonly string[] {
  return (text) =>
    Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size))
}

function session(
  messages: readonly ModelMessage[],
  model: ModelOptions,
  rest: ConversationOptions = {},
  rules = new ModelRules(messages),
) {
  const it = Conversation.loggedIn({ rules, ...rest }, model.pipelines ? ['PIPELINING'] : ['UIDL'])
  it.effects.length = 0
  return { it, rules, server: new ModelServer(messages, model), view: new ModelView(messages, model) }
}

/** Takes one reply off the octets that the client got. */
function takeReply(got: string, line: string): { readonly reply: string; readonly rest: string } {
  const end = got.indexOf('\r\n') + 2
  const [verb = '', argument] = line.split(' ')
  const isLong =
    verb === 'RETR' || verb === 'TOP' || ((verb === 'LIST' || verb === 'UIDL') && argument === undefined)
  if (!isLong || got.startsWith('-')) return { reply: got.slice(0, end), rest: got.slice(end) }
  const behind = got.startsWith('.\r\n', end) ? end + 3 : got.indexOf('\r\n.\r\n', end) + 5
  return { reply: got.slice(0, behind), rest: got.slice(behind) }
}

/** Commands in one go are answered as the model says, in their order, and nothing else is said. */
function answersAsExpected(
  { it, server, view }: Pick<ReturnType<typeof session>, 'it' | 'server' | 'view'>,
  batch: readonly string[],
  pieceOctets: number,
): void {
  const expected = batch.map((each) => view.expect(each))
  it.client(batch.map((each) => `${each}\r\n`).join(''))
  settle(it, server, inPieces(pieceOctets))
  let got = it.takeToClient()
  for (const [index, each] of batch.entries()) {
    const { reply, rest } = takeReply(got, each)
    const wanted = expected[index] ?? ''
    if (typeof wanted === 'string') expect(reply, each).toBe(wanted)
    else expect(reply, each).toMatch(wanted)
    got = rest
  }
  expect(got).toBe('')
}

const attachment = fc
  .tuple(
    fc.constantFrom('image/png', 'video/mpeg'),
    fc.integer({ min: 0, max: 60 }),
    fc.constantFrom('', '..\r\n'),
  )
  .map(([type, lines, odd]) => {
    const header = `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n`
    return `${header}Content-Disposition: attachment; filename=x.bin\r\n\r\n${`${'QUJD'.repeat(19)}\r\n`.repeat(lines)}${odd}`
  })
const bodyText = fc
  .array(line, { maxLength: 8 })
  .map((lines) => `Content-Type: text/plain\r\n\r\n${lines.map((each) => `${each}\r\n`).join('')}`)
const multipart = fc.array(fc.oneof(attachment, bodyText), { minLength: 1, maxLength: 4 }).map((parts) => {
  const all = parts.map((part) => `--b\r\n${part}\r\n`).join('')
  const header = 'Subject: a mail\r\nFrom: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n'
  return `${header}\r\n${all}--b--\r\n`
})
const largeMaildrop: fc.Arbitrary<readonly ModelMessage[]> = fc
  .array(fc.record({ octets: fc.oneof(octets, multipart, multipart), fate }), { maxLength: 6 })
  .map((messages) => messages.map((message, index) => ({ ...message, uniqueId: `id-${index}` })))

describe('the maildrop that a client sees', () => {
  test('is the same where messages are larger than memory is given, and lie in files', () => {
    let spooled = 0
    fc.assert(
      fc.property(largeMaildrop, options, dialogue, (messages, model, { batches, pieceOctets }) => {
        const room = new HoldingRoom()
        const interceptor = { ...NO_INTERCEPTOR, room: new HoldingRoom() }
        const spool = {
          room,
          abridger: { textOctets: 10_000, otherOctets: 40, archiveEndOctets: 0, boundaryLines: 1_000 },
        }
        const limits = { heldMessageOctets: 2_000 }
        const { it, server, view } = session(messages, model, { spool, limits, interceptor })
        for (const batch of batches) {
          answersAsExpected({ it, server, view }, batch, pieceOctets)
          expect(it.files.size).toBe(0)
          expect(room.taken).toBe(0)
          expect(interceptor.room.taken).toBe(0)
        }
        spooled += it.spooled
        it.client('QUIT\r\n')
        settle(it, server)
        expect([...server.deleted].sort()).toEqual([...view.meant].sort())
      }),
      { numRuns: 300 },
    )
    expect(spooled).toBeGreaterThan(100)
  })

  test('is one and the same to any sequence of commands, whatever rules hide, change, refuse or keep', () => {
    fc.assert(
      fc.property(maildrop, options, dialogue, (messages, model, { batches, pieceOctets }) => {
        const { it, server, view } = session(messages, model)
        for (const batch of batches) {
          answersAsExpected({ it, server, view }, batch, pieceOctets)
        }
        it.client('QUIT\r\n')
        settle(it, server)
        expect(server.quit).toBe(true)
        expect([...server.deleted].sort()).toEqual([...view.meant].sort())
        expect(it.anomalies()).toEqual([])
      }),
      { numRuns: 400 },
    )
  })

  test('costs nothing to look at again where verdicts were remembered', () => {
    fc.assert(
      fc.property(maildrop, options, (messages, model) => {
        const lasting = messages.filter(({ fate: { kind } }) => kind !== 'refuse' && kind !== 'keep')
        const first = session(lasting, model)
        first.it.client('LIST\r\n')
        settle(first.it, first.server)
        const told = first.it.takeToClient()
        const rules = new ModelRules(lasting, first.rules.remembered)
        const second = session(lasting, model, {}, rules)
        second.it.client('LIST\r\n')
        settle(second.it, second.server)
        expect(second.it.takeToClient()).toBe(told)
        if (!model.hasUniqueIds) return
        expect(rules.examined).toBe(0)
        expect(second.server.commands.filter((each) => /^(?:TOP|RETR)/.test(each))).toEqual([])
      }),
      { numRuns: 100 },
    )
  })
})

/** Octets that look like replies, in any order and torn anywhere: what a server may say that has lost its mind. */
const madReply = fc.constantFrom(
  '+OK\r\n',
  '-ERR no\r\n',
  '+OK\r\n1 20\r\n2 21\r\n.\r\n',
  '+OK\r\n1 a\r\n2 b\r\n.\r\n',
  '+OK\r\nPIPELINING\r\nTOP\r\n.\r\n',
  '+OK\r\nSubject: x\r\n\r\ncat\r\n.\r\n',
  '+OK 20 octets\r\nSubject: x',
  `+OK\r\nContent-Type: image/png\r\n\r\n${'a line\r\n'.repeat(20)}.\r\n`,
  `+OK\r\nSubject: x\r\n\r\n${'a cat\r\n'.repeat(20)}`,
  '.\r\n',
  '\r\n',
  'garbage\r\n',
  '+OK\r\n9999999999 9999999999\r\n.\r\n',
  '\0\xff\r\n',
)
const madness = fc.array(
  fc.oneof(
    command.map((each) => ({ client: `${each}\r\n` })),
    madReply.map((server) => ({ server })),
    fc.constantFrom(
      { wait: 10_000 },
      { wait: 60_000 },
      { answer: true },
      { read: true },
      { fails: 1 },
      { fails: 2 },
      { end: 'server' as const },
      { end: 'client' as const },
    ),
  ),
  { maxLength: 40 },
)

describe('a server that has lost its mind', () => {
  test('makes no rule throw, and leaves no octet of a message in memory behind the session', () => {
    fc.assert(
      fc.property(maildrop, options, madness, (messages, model, events) => {
        const room = new HoldingRoom()
        const files = new HoldingRoom()
        const { it } = session(messages, model, {
          interceptor: { ...NO_INTERCEPTOR, room },
          spool: {
            room: files,
            abridger: { textOctets: 5, otherOctets: 5, archiveEndOctets: 0, boundaryLines: 1_000 },
          },
          limits: { heldMessageOctets: 100 },
        })
        for (const event of events) {
          if ('client' in event) it.client(event.client)
          else if ('server' in event) it.server(event.server)
          else if ('wait' in event) it.wait(event.wait)
          else if ('end' in event) it.feed({ type: 'end', side: event.end })
          else if ('fails' in event)
            it.feed({ type: 'spool-failed', id: event.fails, text: 'cannot be kept' })
          else if ('read' in event)
            for (const effect of [...it.effects])
              if (effect.type === 'read-spool') {
                const octets = it.files.get(effect.id)?.subarray(effect.start, effect.end)
                it.feed({ type: 'spool-read', id: effect.id, octets: octets ?? Buffer.alloc(0) })
              } else
                for (const effect of it.effects.splice(0))
                  if (effect.type === 'ask')
                    it.feed({ type: 'answered', id: effect.id, answer: { type: 'failed', text: 'no' } })
        }
        it.feed({ type: 'closed', side: 'client' })
        expect(it.relay.isClosed).toBe(true)
        expect([room.taken, files.taken, it.files.size]).toEqual([0, 0, 0])
      }),
      { numRuns: 1_000 },
    )
  })
})

const message = (kind: Fate['kind'], sight: Fate['sight'] = 'header'): ModelMessage => ({
  octets: 'Subject: x\r\n\r\na cat\r\n',
  uniqueId: `${kind}-${sight}`,
  fate: { kind, sight },
})
const MODEL: ModelOptions = { hasTop: true, hasUniqueIds: true, pipelines: true }

describe('before the first listing', () => {
  test('postern asks what the server knows once, and only where it has to look at a message', () => {
    const messages = [message('tag', 'header'), message('body', 'message')]
    const { it, server, rules } = session(messages, MODEL)
    it.client('STAT\r\nRETR 1\r\nRETR 2\r\n')
    settle(it, server)
    expect(server.commands.slice(0, 3)).toEqual(['LIST', 'UIDL', 'CAPA'])
    expect(server.commands.filter((each) => each === 'CAPA')).toHaveLength(1)
    const next = session(messages, MODEL, {}, new ModelRules(messages, rules.remembered))
    next.it.client('STAT\r\nRETR 1\r\n')
    settle(next.it, next.server)
    expect(next.server.commands).toEqual(['LIST', 'UIDL', 'RETR 1'])
  })

  test('a notice that is remembered costs what the server knows, and a header section', () => {
    const messages = [message('notice', 'header')]
    const memory = session(messages, MODEL)
    memory.it.client('STAT\r\n')
    settle(memory.it, memory.server)
    for (const hasTop of [true, false]) {
      const rules = new ModelRules(messages, memory.rules.remembered)
      const { it, server } = session(messages, { ...MODEL, hasTop }, {}, rules)
      it.client('RETR 1\r\nRETR 1\r\n')
      settle(it, server)
      const fetch = hasTop ? 'TOP 1 0' : 'RETR 1'
      expect(server.commands).toEqual(['LIST', 'UIDL', 'CAPA', fetch, fetch])
    }
  })

  test('postern asks the server for what the rules need, and nothing where they need nothing', () => {
    const { it, server } = session([message('hide', 'listing'), message('none', 'listing')], MODEL)
    it.client('STAT\r\n')
    settle(it, server)
    expect(server.commands).toEqual(['LIST', 'UIDL'])
    expect(it.takeToClient()).toBe('+OK 1 21\r\n')
    expect(it.traced('maildrop-seen')).toEqual([
      { type: 'maildrop-seen', messages: 2, remembered: 0, headers: 0, whole: 0, hidden: 1 },
    ])
    expect(it.traced('command').map(({ verb }) => verb)).toEqual(['CAPA', 'USER', 'PASS', 'STAT'])
  })

  test('listings pass as they are where no rule hides or changes anything', () => {
    const { it, server } = session([message('keep', 'listing')], MODEL)
    it.client('STAT\r\nLIST\r\n')
    settle(it, server)
    expect(server.commands).toEqual(['LIST', 'UIDL', 'STAT', 'LIST'])
  })

  test('looks at many messages in one go, and no more than may be in flight', () => {
    const { it } = session(
      Array.from({ length: 200 }, () => message('tag')),
      MODEL,
    )
    it.client('LIST\r\n')
    expect(it.takeToServer()).toBe('LIST\r\nUIDL\r\n')
    const list = Array.from({ length: 200 }, (_, index) => `${index + 1} 20\r\n`).join('')
    it.server(`+OK\r\n${list}.\r\n+OK\r\n.\r\n`)
    // What may be in flight is 64: CAPA and as many TOP as fit beside it.
    expect(it.takeToServer().split('\r\n')).toHaveLength(65)
    it.server('+OK\r\nPIPELINING\r\n.\r\n')
    expect(it.takeToServer()).toBe('TOP 64 0\r\n')
    it.server('+OK\r\nSubject: x\r\n\r\n.\r\n')
    expect(it.takeToServer()).toBe('TOP 65 0\r\n')
  })
})

describe('a message that a rule changes', () => {
  test.each(['tag', 'body', 'notice'] as const)(
    'by %s is told as the client gets it, status line and all',
    (kind) => {
      const attention = { isWatched: true, messageOctets: 1_000 }
      const { it, server, view } = session([message(kind)], MODEL, { attention })
      const expected = view.expect('RETR 1')
      it.client('RETR 1\r\n')
      settle(it, server)
      const got = it.takeToClient()
      expect(got).toMatch(expected)
      const content = it
        .traced('content')
        .filter(({ verb, source }) => source === 'postern' && /RETR|TOP/.test(verb))
      expect(Buffer.concat(content.map(({ wire }) => wire)).toString()).toBe(
        got.slice(got.indexOf('\n') + 1, -3),
      )
      const lines = it.traced('reply').filter(({ verb }) => /RETR|TOP/.test(verb))
      const last = lines.at(-1)
      expect(`${last?.indicator} ${last?.text}`.trimEnd()).toBe(got.slice(0, got.indexOf('\r')))
    },
  )
})

describe('while the rules look', () => {
  const waiting = (line: string) => {
    const room = new HoldingRoom()
    const interceptor = { ...NO_INTERCEPTOR, room }
    const { it, server } = session([message('hide', 'judge')], MODEL, { interceptor })
    it.client(`${line}\r\n`)
    for (let octets = it.takeToServer(); octets !== ''; octets = it.takeToServer())
      it.server(server.take(octets))
    const asked = it.effects.find(({ type }) => type === 'ask')
    if (asked?.type !== 'ask') throw new Error('nobody was asked')
    const clean = new Map([['judge', { verdict: 'clean', score: null, finding: '' }]])
    return {
      it,
      server,
      room,
      answer: () => it.feed({ type: 'answered', id: asked.id, answer: { type: 'judged', answers: clean } }),
    }
  }

  test.each([
    ['LIST', '+OK', ' 0 messages (0 octets)\r\n.\r\n'],
    ['UIDL', '+OK', ' 0 messages (0 octets)\r\n.\r\n'],
    ['STAT', '+OK', ' 0 0\r\n'],
  ])('the client of %s is kept alive within the status line', (line, begin, rest) => {
    const { it, answer } = waiting(line)
    it.wait(9_999)
    expect(it.takeToClient()).toBe('')
    it.wait(1)
    expect(it.takeToClient()).toBe(begin)
    it.wait(10_000)
    expect(it.takeToClient()).toBe(' ')
    answer()
    expect(it.takeToClient()).toBe(rest)
  })

  test('what may be refused is waited for in silence', () => {
    const { it, answer } = waiting('DELE 1')
    it.wait(30_000)
    expect(it.takeToClient()).toBe('')
    answer()
    expect(it.takeToClient()).toBe('-ERR there is no message 1\r\n')
  })

  test('a client that has +OK for a message that is not there sees the connection break, and no lie', () => {
    const { it, answer } = waiting('RETR 1')
    it.wait(10_000)
    expect(it.takeToClient()).toBe('+OK')
    answer()
    expect(it.takeToClient()).toBe('')
    expect(it.actions()).toContain('destroy client')
    expect(it.traced('failure')).toMatchObject([{ failure: { code: 'POSTERN_RULES' } }])
  })

  test('the server hears NOOP each minute, and the client nothing of it', () => {
    const { it, server, answer } = waiting('DELE 1')
    it.wait(59_999)
    expect(it.takeToServer()).toBe('')
    it.wait(1)
    expect(it.takeToServer()).toBe('NOOP\r\n')
    it.server(server.take('NOOP\r\n'))
    it.wait(60_000)
    expect(it.takeToServer()).toBe('NOOP\r\n')
    answer()
    it.server(server.take('NOOP\r\n'))
    expect(it.takeToClient()).toBe('-ERR there is no message 1\r\n')
  })

  test('a session that ends keeps nothing, and a late answer changes nothing', () => {
    const { it, answer, room } = waiting('LIST')
    expect(room.taken).toBe(21)
    it.feed({ type: 'closed', side: 'client' })
    expect(room.taken).toBe(0)
    expect(answer()).toEqual([])
  })
})

describe('a message that a judge writes anew', () => {
  const fetched = (output: Buffer | null, rest: ConversationOptions = {}) => {
    const { it, server } = session([message('output')], MODEL, rest)
    it.client('LIST\r\n')
    settle(it, server)
    expect(it.takeToClient()).toBe('+OK 1 messages (23 octets)\r\n1 23\r\n.\r\n')
    it.client('RETR 1\r\nNOOP\r\n')
    it.server(server.take(it.takeToServer()))
    const [asked] = it.effects.flatMap((effect) => (effect.type === 'ask' ? [effect] : []))
    if (asked === undefined) throw new Error('nobody was asked')
    const answers: JudgeAnswers = new Map([['judge', { verdict: 'bad', score: null, finding: '', output }]])
    const answer = (): unknown =>
      it.feed({ type: 'answered', id: asked.id, answer: { type: 'judged', answers } })
    return { it, server, answer }
  }
  const LIONS = Buffer.from('Subject: x\r\n\r\na lions\r\n')

  test('is delivered once the judge has written it, and what the server said behind it comes behind it', () => {
    const { it, answer } = fetched(LIONS)
    expect(it.takeToClient()).toBe('')
    it.wait(10_000)
    expect(it.takeToClient()).toBe('+OK')
    answer()
    expect(it.takeToClient()).toBe(` 23 octets\r\n${LIONS}.\r\n+OK\r\n`)
  })

  test('that it writes otherwise than it was listed is not delivered as if it were the same', () => {
    const { it, answer } = fetched(Buffer.from('Subject: x\r\n\r\nlions and more\r\n'))
    answer()
    expect(it.takeToClient()).toBe(
      '-ERR [SYS/TEMP] judge wrote another message than the one that was listed\r\n',
    )
    expect(it.actions()).toContain('destroy server')
  })

  test('of a session that ends meanwhile leaves nothing behind', () => {
    const room = new HoldingRoom()
    const { it, answer } = fetched(LIONS, { interceptor: { ...NO_INTERCEPTOR, room } })
    expect(room.taken).toBeGreaterThan(0)
    it.feed({ type: 'closed', side: 'client' })
    expect(answer()).toEqual([])
    expect(room.taken).toBe(0)
  })

  test('is delivered although the server has left meanwhile', () => {
    const { it, answer } = fetched(LIONS)
    it.feed({ type: 'end', side: 'server' })
    answer()
    expect(it.takeToClient()).toBe(`+OK 23 octets\r\n${LIONS}.\r\n+OK\r\n`)
    expect(it.traced('session-closed')).toMatchObject([{ reason: 'server-closed' }])
  })
})

describe('a maildrop that cannot be looked at', () => {
  const blind = (listing: string, refusesUnseen: boolean) => {
    const rules = Object.assign(new ModelRules([message('hide')]), { refusesUnseen })
    const it = Conversation.loggedIn({ rules, limits: { listingOctets: 20 } })
    it.client('LIST\r\n')
    it.server(`${listing}+OK\r\n1 a\r\n.\r\n`)
    return it
  }

  test.each([
    ['-ERR not now\r\n', 'the server refused LIST: not now'],
    ['+OK\r\n1 2\r\n1 3\r\n.\r\n', 'the scan listing of the server cannot be read'],
    ['+OK\r\nhello\r\n.\r\n', 'the scan listing of the server cannot be read'],
    [`+OK\r\n1 2\r\n2 ${'2'.repeat(14)}\r\n.\r\n`, 'the scan listing is too long to be held'],
  ])('%j passes as it is, and says so', (listing, text) => {
    const it = blind(listing, false)
    expect(it.traced('rules-blind')).toEqual([{ type: 'rules-blind', text }])
    expect(it.takeToServer()).toBe('LIST\r\nUIDL\r\nLIST\r\n')
  })

  test('is refused where a rule would rather have mail wait', () => {
    const it = blind('-ERR not now\r\n', true)
    expect(it.takeToClient()).toBe(
      '-ERR [SYS/TEMP] rules could not look at the maildrop; try again later\r\n',
    )
  })
})

describe('a command that means no message', () => {
  test.each([
    'RETR',
    'RETR x',
    'RETR 1x',
    'RETR 1 2',
    'DELE -1',
    'TOP 1',
    'TOP 1 x',
    'LIST 1 2',
    'RETR 00000000000',
  ])('%s never reaches a server that might make one of it', (line) => {
    const { it, server } = session([message('hide'), message('none')], MODEL)
    it.client(`${line}\r\n`)
    settle(it, server)
    expect(it.takeToClient()).toMatch(/^-ERR [^\r\n]+\r\n$/)
    expect(server.commands.filter((each) => /^(?:RETR|DELE|LIST .)/.test(each))).toEqual([])
  })

  test.each(['LAST', 'XTND XLST', '*ENV 1', 'XFOO 1'])('%s tells nothing of hidden mail', (line) => {
    const { it, server } = session([message('hide')], MODEL)
    it.client(`${line}\r\n`)
    settle(it, server)
    expect(it.takeToClient()).toMatch(/^-ERR/)
    expect(server.commands).toEqual([])
  })
})

describe('a message whose DELE is under way', () => {
  test('is not looked at before the server has answered, and its rule holds when RSET brings it back', () => {
    const { it, server } = session([message('refuse')], MODEL)
    it.client('DELE 1\r\nRETR 1\r\nRSET\r\nRETR 1\r\n')
    settle(it, server)
    expect(server.commands).toEqual(['LIST', 'UIDL', 'DELE 1', 'RSET', 'CAPA', 'TOP 1 0'])
    expect(it.takeToClient()).toBe('+OK\r\n-ERR message 1 is deleted\r\n+OK\r\n-ERR [SYS/TEMP] not now\r\n')
  })

  test('is there as before where the server refuses it', () => {
    const { it, server } = session([message('tag')], MODEL)
    it.client('DELE 1\r\nRETR 1\r\n')
    for (let octets = it.takeToServer(); octets !== ''; octets = it.takeToServer())
      it.server(octets.startsWith('DELE') ? '-ERR it is locked\r\n' : server.take(octets))
    expect(it.takeToClient()).toMatch(/^-ERR it is locked\r\n\+OK 34 octets\r\n/)
  })
})

describe('a message that is too large to be seen', () => {
  test('is told to the rules as unseen, and the listing goes on', () => {
    const messages = [
      { ...message('body'), octets: `Subject: x\r\n\r\n${'cat\r\n'.repeat(300)}` },
      message('none'),
    ]
    class Blinded extends ModelRules {
      override examine(...[seen, about, purpose]: Parameters<ModelRules['examine']>) {
        if (seen.unseen === null) return super.examine(seen, about, purpose)
        expect(seen.unseen).toBe('it is larger than may be held (1514 octets)')
        return super.examine({ ...seen, number: 2 }, about, purpose)
      }
    }
    const { it, server } = session(
      messages,
      MODEL,
      { limits: { heldMessageOctets: 1_000 } },
      new Blinded(messages),
    )
    it.client('LIST\r\n')
    settle(it, server)
    expect(it.takeToClient()).toBe('+OK 2 messages (1535 octets)\r\n1 1514\r\n2 21\r\n.\r\n')
  })
})

describe('a message that lies in a file', () => {
  const LARGE = `Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na cat\r\n--b\r\nContent-Type: image/png\r\n\r\n${'a picture of nothing\r\n'.repeat(100)}--b--\r\n`
  const fetching = (rest: ConversationOptions = {}, sight: Fate['sight'] = 'message') => {
    const room = new HoldingRoom()
    const memory = new HoldingRoom()
    const messages = [{ octets: LARGE, uniqueId: 'a', fate: { kind: 'body', sight } as const }]
    const { it, server } = session(messages, MODEL, {
      spool: {
        room,
        abridger: { textOctets: 1_000, otherOctets: 40, archiveEndOctets: 0, boundaryLines: 1_000 },
      },
      limits: { heldMessageOctets: 1_000 },
      interceptor: { ...NO_INTERCEPTOR, room: memory },
      ...rest,
    })
    return { it, server, room, memory }
  }
  const SIZE = LARGE.length + 2
  /** Lets the sides talk up to the first octets that are to be read for the client. */
  const upToRead = ({
    it,
    server,
  }: ReturnType<typeof fetching>): Extract<RelayEffect, { type: 'read-spool' }> => {
    it.client('LIST\r\n')
    settle(it, server)
    expect(it.takeToClient()).toContain(`1 ${SIZE}\r\n`)
    it.client('RETR 1\r\nNOOP\r\n')
    it.server(server.take(it.takeToServer()))
    const read = it.effects.find((effect) => effect.type === 'read-spool')
    if (read === undefined) throw new Error('nothing is read')
    return read
  }

  test('goes to the client with what is in memory around what is read, and what waited follows', () => {
    const it = fetching()
    const { id, start, end } = upToRead(it)
    const before = it.it.takeToClient()
    expect(before).toMatch(new RegExp(`^\\+OK ${SIZE} octets\\r\\n`))
    expect(before).toContain('a tiger\r\n')
    // The server is not read meanwhile: nothing is known of where its octets would go.
    expect(it.it.relay.wantsOctets('server')).toBe(false)
    it.it.wait(600_000)
    it.it.feed({
      type: 'spool-read',
      id,
      octets: it.it.files.get(id)?.subarray(start, end) ?? Buffer.alloc(0),
    })
    const behind = it.it.takeToClient()
    expect(behind).toMatch(/^a picture[\s\S]*--b--\r\n\.\r\n\+OK\r\n$/)
    expect(before.length + behind.length).toBe(`+OK ${SIZE} octets\r\n`.length + SIZE + 3 + 5)
    // A client that takes a message slowly is not idle.
    it.it.wait(100_000)
    expect(it.it.relay.isClosed).toBe(false)
    expect([it.room.taken, it.memory.taken, it.it.files.size]).toEqual([0, 0, 0])
    it.it.effects.length = 0
    it.it.client('QUIT\r\n')
    settle(it.it, it.server)
    expect(it.it.traced('session-closed')).toMatchObject([{ reason: 'quit', messages: 1 }])
  })

  test('that cannot be read any more breaks the connection, without a termination octet', () => {
    const it = fetching()
    const { id } = upToRead(it)
    it.it.takeToClient()
    it.it.feed({ type: 'spool-failed', id, text: 'cannot be read: the disk reports an error' })
    expect(it.it.takeToClient()).toBe('')
    expect(it.it.actions()).toContain('destroy client')
    expect(it.it.traced('failure')).toMatchObject([
      { failure: { code: 'POSTERN_RULES', text: expect.stringContaining('it cannot be read: the disk') } },
    ])
    expect([it.room.taken, it.memory.taken, it.it.files.size]).toEqual([0, 0, 0])
  })

  test('that comes as another one than was listed is not delivered', () => {
    const it = fetching()
    it.it.client('LIST\r\n')
    settle(it.it, it.server)
    it.it.takeToClient()
    it.it.client('RETR 1\r\n')
    it.it.server(it.server.take(it.it.takeToServer()).replace('a cat', 'two cats'))
    expect(it.it.takeToClient()).toMatch(
      /^-ERR \[SYS\/TEMP\] a message that a rule changes came to another size/,
    )
    expect([it.room.taken, it.memory.taken, it.it.files.size]).toEqual([0, 0, 0])
  })

  test('that cannot be written is not delivered unchanged, and the reason is told', () => {
    const it = fetching()
    it.it.client('LIST\r\n')
    settle(it.it, it.server)
    it.it.takeToClient()
    it.it.client('RETR 1\r\n')
    const reply = it.server.take(it.it.takeToServer())
    it.it.server(reply.slice(0, 1_500))
    const id = [...it.it.files.keys()][0] ?? 0
    it.it.feed({ type: 'spool-failed', id, text: 'cannot be kept in a file: /spool: the disk is full' })
    it.it.server(reply.slice(1_500))
    expect(it.it.takeToClient()).toBe(
      '-ERR [SYS/TEMP] a message that a rule changes cannot be kept in a file: /spool: the disk is full\r\n',
    )
    expect([it.room.taken, it.memory.taken, it.it.files.size]).toEqual([0, 0, 0])
  })

  test('that cannot be written while the rules look is told to them as unseen, and the listing goes on', () => {
    const seen: (string | null)[] = []
    class Watching extends ModelRules {
      override examine(...asked: Parameters<ModelRules['examine']>) {
        if (asked[0].unseen !== null) seen.push(asked[0].unseen)
        return super.examine(...asked)
      }
    }
    const messages = [{ octets: LARGE, uniqueId: 'a', fate: { kind: 'body', sight: 'message' } as const }]
    const spool = {
      room: new HoldingRoom(),
      abridger: { textOctets: 1_000, otherOctets: 40, archiveEndOctets: 0, boundaryLines: 1_000 },
    }
    const limits = { heldMessageOctets: 1_000 }
    const { it, server } = session(messages, MODEL, { spool, limits }, new Watching(messages))
    it.client('LIST\r\n')
    for (let octets = it.takeToServer(); octets !== ''; octets = it.takeToServer()) {
      const reply = server.take(octets)
      it.server(reply.slice(0, 1_500))
      for (const id of it.files.keys())
        it.feed({ type: 'spool-failed', id, text: 'cannot be kept in a file: /spool: the disk is full' })
      it.server(reply.slice(1_500))
    }
    expect(seen).toEqual(['it cannot be kept in a file: /spool: the disk is full'])
    expect(it.takeToClient()).toContain(`1 ${LARGE.length}\r\n`)
    expect(spool.room.taken).toBe(0)
  })

  test('is dropped by a session that ends, wherever it is', () => {
    for (const ends of ['looking', 'asking', 'delivering'] as const) {
      const it = fetching({}, ends === 'asking' ? 'judge' : 'message')
      if (ends === 'delivering') upToRead(it)
      else {
        it.it.client('LIST\r\n')
        for (let octets = it.it.takeToServer(); octets !== ''; octets = it.it.takeToServer()) {
          const reply = it.server.take(octets)
          it.it.server(ends === 'looking' ? reply.slice(0, 1_500) : reply)
        }
      }
      expect(it.it.files.size, ends).toBe(1)
      it.it.feed({ type: 'closed', side: 'client' })
      expect([it.room.taken, it.memory.taken, it.it.files.size], ends).toEqual([0, 0, 0])
    }
  })

  test('is not offered to a person at a breakpoint, who is told so', () => {
    const it = fetching({ interceptor: { ...NO_INTERCEPTOR, holdsMessages: true, room: new HoldingRoom() } })
    upToRead(it)
    expect(it.it.traced('not-held')).toMatchObject([{ kind: 'message', reason: 'too-large' }])
  })

  test('is told to those who watch as the client gets it', () => {
    const it = fetching({ attention: { isWatched: true, messageOctets: 100_000 } })
    const { id, start, end } = upToRead(it)
    it.it.feed({
      type: 'spool-read',
      id,
      octets: it.it.files.get(id)?.subarray(start, end) ?? Buffer.alloc(0),
    })
    const told = it.it.traced('content').filter(({ source }) => source === 'postern')
    expect(Buffer.concat(told.map(({ wire }) => wire)).toString()).toContain('a tiger')
  })
})
