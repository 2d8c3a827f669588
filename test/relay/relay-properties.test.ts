import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMMAND_TABLE } from '../../src/pop3/command-table.js'
import type { RelayInput } from '../../src/relay/relay-input.js'
import { recordingLine } from '../../src/trace/recording.js'
import { decide, heldNow, TestBreakpoint } from '../support/breakpoint.js'
import { Conversation, type ConversationOptions, TLS_FACTS } from '../support/conversation.js'

const SECURITY = ['plain', 'stls', 'tls'] as const
const CANARY = 'kanarienvogel-9f3b'

const clientLine = fc.oneof(
  fc
    .constantFrom(...COMMAND_TABLE.keys())
    .chain((verb) =>
      fc
        .constantFrom('', ' 1', ' 1 99999999', ' bob', ` ${CANARY}`, ` bob ${CANARY}`, ` PLAIN ${CANARY}`)
        .map((rest) => verb + rest),
    ),
  fc.constantFrom(
    '',
    '*',
    '=',
    'XFOO',
    `PASS${CANARY}`,
    `  pass\t${CANARY}`,
    CANARY,
    'AUTH PLAIN',
    'AUTH LOGIN',
  ),
  fc.base64String({ maxLength: 40 }),
)
const serverLine = fc.constantFrom(
  '+OK',
  '+OK ready <1@x>',
  '-ERR no',
  '-ERR [IN-USE] busy',
  `-ERR what is ${CANARY}?`,
  '+ ',
  '+',
  '+ PDE+',
  '.',
  '..',
  'PIPELINING',
  'STLS',
  'Subject: x',
  '',
)
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r\r\n')
const octetsFrom = (side: 'client' | 'server', line: fc.Arbitrary<string>): fc.Arbitrary<RelayInput> =>
  fc
    .oneof(
      fc
        .array(fc.tuple(line, lineEnd), { maxLength: 4 })
        .map((lines) => Buffer.from(lines.flat().join(''), 'latin1')),
      fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from([...octets, 0x0a])),
    )
    .map((octets) => ({ type: 'octets', side, octets }))
const event: fc.Arbitrary<RelayInput> = fc.oneof(
  { weight: 8, arbitrary: octetsFrom('client', clientLine) },
  { weight: 8, arbitrary: octetsFrom('server', serverLine) },
  {
    weight: 1,
    arbitrary: fc.constant<RelayInput>({ type: 'tls-established', side: 'client', tls: TLS_FACTS }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<RelayInput>({ type: 'end', side: 'client' }, { type: 'end', side: 'server' }),
  },
  { weight: 1, arbitrary: fc.constantFrom<RelayInput>({ type: 'drain' }, { type: 'clock' }) },
)
const ownCommand: fc.Arbitrary<RelayInput> = clientLine.map((line) => ({
  type: 'send',
  id: 'w',
  line: Buffer.from(line, 'latin1'),
}))
const eventOrOwnCommand = fc.oneof({ weight: 6, arbitrary: event }, { weight: 1, arbitrary: ownCommand })
const legs = fc.record({
  client: fc.constantFrom(...SECURITY),
  server: fc.constantFrom(...SECURITY),
  offersStls: fc.boolean(),
})

describe('whatever both sides send', () => {
  test('the relay never throws, ends once, and asks for nothing after its end', () => {
    fc.assert(
      fc.property(legs, fc.array(eventOrOwnCommand, { maxLength: 30 }), (options, events) => {
        const it = Conversation.open(options)
        for (const input of events) {
          const wasClosed = it.relay.isClosed
          const effects = it.feed(input)
          if (wasClosed) expect(effects).toEqual([])
        }
        expect(it.traced('session-closed').length).toBe(it.relay.isClosed ? 1 : 0)
      }),
      { numRuns: 1_000 },
    )
  })

  test('no credential stands in a trace, a recording, a held item or an inspected effect', () => {
    const encoded = Buffer.from(CANARY).toString('base64')
    fc.assert(
      fc.property(legs, fc.array(eventOrOwnCommand, { maxLength: 30 }), (legsOfOne, events) => {
        const interceptor = new TestBreakpoint(['command', 'reply'])
        const it = Conversation.open({
          ...legsOfOne,
          attention: { isWatched: true, messageOctets: 0 },
          interceptor,
        })
        let isGiven = false
        for (const input of events) {
          const hasCanary = input.type === 'octets' && input.octets.includes(CANARY)
          // A server can repeat only what it was told, and does so soon: not behind many other secrets.
          if (hasCanary && input.side === 'server' && (!isGiven || secretsGiven(it) > 8)) continue
          it.feed(input)
          releaseAll(it)
          isGiven ||= hasCanary && it.takeToServer().includes(CANARY)
        }
        const told = it.traces.map(
          (trace) => recordingLine(trace) + inspect(trace, { depth: 9 }) + String(trace),
        )
        const wires = it.traces.map(({ content }) =>
          'wire' in content ? content.wire?.toString('latin1') : '',
        )
        const held = it.effects.flatMap((effect) =>
          effect.type === 'hold' ? [inspect(effect), effect.item.editable?.toString('latin1')] : [],
        )
        const asked = interceptor.asked.map((item) => inspect(item))
        const answers = it.effects.map((effect) => (effect.type === 'send-answered' ? effect.problem : ''))
        const shown = [told, wires, held, asked, answers].flat().join('\n')
        // A user may be called anything, a server's name for itself too: what the canary names in USER and APOP is no secret.
        const isUserName = it
          .traced('command')
          .some(({ shown: command }) => /^(USER|APOP) kanarien/.test(command))
        if (!isUserName) expect(shown).not.toContain(CANARY)
        expect(shown).not.toContain(encoded)
      }),
      { numRuns: 2_000 },
    )
  })

  test('who watches, and who holds and releases at once, changes no octet of either side', () => {
    const written = (
      options: ConversationOptions,
      events: readonly RelayInput[],
    ): readonly [string, string] => {
      const it = Conversation.open(options)
      releaseAll(it)
      for (const input of events) {
        it.feed(input)
        releaseAll(it)
      }
      return [it.takeToClient(), it.takeToServer()]
    }
    fc.assert(
      fc.property(legs, fc.array(event, { maxLength: 30 }), (options, events) => {
        const plain = written(options, events)
        const attention = { isWatched: true, messageOctets: 20 }
        expect(written({ ...options, attention }, events)).toEqual(plain)
        // Not of commands: a server that answers before it was asked would be answering another one.
        const interceptor = new TestBreakpoint(['reply'])
        expect(written({ ...options, attention, interceptor }, events)).toEqual(plain)
      }),
      { numRuns: 1_000 },
    )
  })

  test('what goes to the server is what the client sent, in order, less what postern answered', () => {
    const passing = fc.constantFrom(
      'NOOP',
      'STAT',
      'LIST',
      'LIST 2',
      'RETR 1',
      'DELE 3',
      'XFOO',
      'TOP 1 5',
      'UIDL',
      'RSET',
    )
    fc.assert(
      fc.property(
        fc.array(passing, { maxLength: 20 }),
        fc.array(fc.nat({ max: 40 })),
        fc.boolean(),
        (verbs, cuts, pipelines) => {
          const it = Conversation.loggedIn({}, pipelines ? ['PIPELINING'] : [])
          const octets = Buffer.from(verbs.map((verb) => `${verb}\r\n`).join(''), 'latin1')
          let position = 0
          for (const cut of [...cuts, octets.length]) {
            it.client(octets.subarray(position, position + cut))
            position += cut
          }
          // A server that answers each command it has, one by one.
          let seen = ''
          for (;;) {
            const asked = it.takeToServer()
            if (asked === '') break
            seen += asked
            for (const command of asked.split('\r\n').slice(0, -1)) {
              const isMultiLine = /^(LIST|UIDL)$|^RETR|^TOP/.test(command)
              it.server(isMultiLine ? '+OK\r\n..x\r\n.\r\n' : `+OK ${command}\r\n`)
            }
          }
          expect(seen).toBe(octets.toString('latin1'))
          expect(it.traced('reply').filter(({ number }) => number > 3)).toHaveLength(verbs.length)
        },
      ),
    )
  })

  test('what goes to the client is what the server sent, at any split, and the same is traced', () => {
    const script = '+OK 5\r\nabc\r\n..\r\n..d\r\n.\r\n-ERR no\r\n+OK\r\n.\r\nstray\r\n+OK 1 2\r\n'
    const play = (
      cuts: readonly number[],
    ): { readonly sent: string; readonly traces: readonly unknown[] } => {
      const it = Conversation.loggedIn()
      it.client('RETR 1\r\nRETR 2\r\nLIST\r\nSTAT\r\n')
      let position = 0
      for (const cut of [...cuts, script.length]) {
        it.server(script.slice(position, position + cut))
        position += cut
      }
      return { sent: it.takeToClient(), traces: it.traces.map(({ content }) => content) }
    }
    const whole = play([])
    expect(whole.sent).toBe(script)
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), (cuts) => {
        expect(play(cuts)).toEqual(whole)
      }),
    )
  })
})

type Decision = 'release' | 'drop' | 'answer' | 'edit'

/** What a server answers in these tests: content with dots for verbs that have some. */
function answerTo(line: string): string {
  return isMultiLine(line) ? `+OK ${line}\r\nof ${line}\r\n..\r\n.\r\n` : `+OK ${line}\r\n`
}

function isMultiLine(line: string): boolean {
  return /^(LIST|UIDL)$|^RETR|^TOP/.test(line)
}

describe('whatever a person decides', () => {
  const line = fc.constantFrom(
    'NOOP',
    'STAT',
    'LIST',
    'LIST 2',
    'RETR 1',
    'RETR 3',
    'DELE 3',
    'TOP 1 5',
    'UIDL',
  )
  const decision = fc.constantFrom<Decision>('release', 'drop', 'answer', 'edit')
  const step = fc.record({ line, onCommand: decision, onReply: decision })
  const move = fc.constantFrom('client', 'server', 'decide', 'wait')
  const moves = fc.array(fc.tuple(move, fc.integer({ min: 1, max: 30 })), { maxLength: 90 })
  type Step = { readonly line: string; readonly onCommand: Decision; readonly onReply: Decision }

  /** Plays a dialogue in the order that `moves` gives, then to its end. */
  function play(
    steps: readonly Step[],
    order: readonly (readonly [string, number])[],
    options: ConversationOptions,
  ): { readonly toClient: string; readonly toServer: string; readonly it: Conversation } {
    const it = Conversation.loggedIn(options)
    let unread = steps.map(({ line: text }) => `${text}\r\n`).join('')
    let asked = ''
    let answers = ''
    let toClient = ''
    let toServer = ''
    const move = (kind: string, amount: number): boolean => {
      const before = [unread, answers, toServer, toClient, heldNow(it).length].join()
      if (kind === 'client' && unread !== '' && it.relay.wantsOctets('client')) {
        it.client(unread.slice(0, amount))
        unread = unread.slice(amount)
      } else if (kind === 'server' && answers !== '' && it.relay.wantsOctets('server')) {
        it.server(answers.slice(0, amount))
        answers = answers.slice(amount)
      } else if (kind === 'wait') it.wait(amount * 100)
      else if (kind === 'decide') decideAsPlanned(it, steps)
      const sent = it.takeToServer()
      toServer += sent
      asked += sent
      for (let end = asked.indexOf('\r\n'); end >= 0; end = asked.indexOf('\r\n')) {
        answers += answerTo(asked.slice(0, end))
        asked = asked.slice(end + 2)
      }
      toClient += it.takeToClient()
      return before !== [unread, answers, toServer, toClient, heldNow(it).length].join()
    }
    for (const [kind, amount] of order) move(kind, amount)
    for (let moved = true; moved; )
      moved = ['client', 'server', 'decide'].map((kind) => move(kind, 1_000)).some((has) => has)
    return { toClient, toServer, it }
  }

  /** Commands are numbered behind the three of the login. */
  function decideAsPlanned(it: Conversation, steps: readonly Step[]): void {
    const [item] = heldNow(it)
    const planned = item === undefined ? undefined : steps[item.number - 4]
    if (item === undefined || planned === undefined) return
    if (item.kind === 'command') {
      const edit = editOf(planned.line)
      decide(it, planned.onCommand, planned.onCommand === 'edit' ? edit : own(planned.line), item)
    } else {
      const whole = item.kind === 'message' && planned.onReply === 'edit'
      decide(it, planned.onReply, whole ? 'mine\n.\n' : own(planned.line), item)
    }
  }

  const editOf = (text: string): string => (text.startsWith('RETR') ? 'RETR 9' : text)
  const own = (text: string): string => (isMultiLine(text) ? '+OK own\nmine\n.' : '+OK own')
  const ownOnWire = (text: string): string =>
    isMultiLine(text) ? '+OK own\r\nmine\r\n..\r\n.\r\n' : '+OK own\r\n'

  /** What each side should have got, worked out command by command. */
  function expected(steps: readonly Step[]): { readonly toClient: string; readonly toServer: string } {
    let toClient = ''
    let toServer = ''
    for (const { line: text, onCommand, onReply } of steps) {
      if (onCommand === 'drop')
        toClient += '-ERR [SYS/TEMP] postern dropped the command at a breakpoint: the server never saw it\r\n'
      else if (onCommand === 'answer') toClient += ownOnWire(text)
      else {
        const sent = onCommand === 'edit' ? editOf(text) : text
        toServer += `${sent}\r\n`
        const isMessage = /^(RETR|TOP)/.test(text)
        // Listings are never held.
        const isHeld = isMessage || !isMultiLine(text)
        if (!isHeld || onReply === 'release') toClient += answerTo(sent)
        else if (onReply === 'drop')
          toClient += '-ERR [SYS/TEMP] postern dropped the reply at a breakpoint\r\n'
        else if (onReply === 'edit' && isMessage) toClient += `+OK ${sent}\r\nmine\r\n..\r\n.\r\n`
        else toClient += ownOnWire(text)
      }
    }
    return { toClient, toServer }
  }

  const everything = (): TestBreakpoint =>
    new TestBreakpoint(['command', 'reply', 'message'], ({ number }) => number > 3, { holdMs: 300_000 })

  test('each side gets in order what was decided, and all else octet for octet, at any split', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), moves, fc.boolean(), (steps, order, watched) => {
        const interceptor = everything()
        const { toClient, toServer, it } = play(steps, order, {
          interceptor,
          keepsClientAlive: false,
          attention: { isWatched: watched, messageOctets: watched ? 50 : 0 },
        })
        expect({ toClient, toServer }).toEqual(expected(steps))
        expect(it.traced('held')).toHaveLength(it.traced('released').length)
        expect(heldNow(it)).toEqual([])
        expect(interceptor.room.taken).toBe(0)
      }),
      { numRuns: 500 },
    )
  })

  test('release alone leaves both sides as they were, blanks that keep the client alive aside', () => {
    const withoutBlanks = (text: string): string => text.replace(/^\+OK +/gm, '+OK ')
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), moves, (lines, order) => {
        const steps = lines.map((text) => ({ line: text, onCommand: 'release', onReply: 'release' }) as const)
        const held = play(steps, order, { interceptor: everything() })
        const plain = play(steps, order, {})
        expect(held.toServer).toBe(plain.toServer)
        expect(withoutBlanks(held.toClient)).toBe(plain.toClient)
      }),
      { numRuns: 300 },
    )
  })

  test('what is told of content is the content, in order', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), moves, (lines, order) => {
        const steps = lines.map((text) => ({ line: text, onCommand: 'release', onReply: 'release' }) as const)
        const { it } = play(steps, order, { attention: { isWatched: true, messageOctets: 1_000 } })
        const told = it.traced('content').filter(({ number }) => number > 3)
        const texts = lines.map((_, index) =>
          told
            .filter(({ number }) => number === index + 4)
            .map(({ wire }) => wire.toString('latin1'))
            .join(''),
        )
        expect(texts).toEqual(lines.map((text) => (isMultiLine(text) ? `of ${text}\r\n..\r\n` : '')))
      }),
      { numRuns: 300 },
    )
  })
})

/** A person who lets everything go at once. */
function releaseAll(it: Conversation): void {
  for (let [item] = heldNow(it); item !== undefined; [item] = heldNow(it))
    it.feed({ type: 'verdict', hold: item.hold, answer: { type: 'release' } })
}

function secretsGiven(it: Conversation): number {
  const hidden = it.traced('command').filter(({ shown }) => shown.includes('[redacted]'))
  return hidden.length + it.traced('sasl-response').length
}
