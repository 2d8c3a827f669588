import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COUNTED_RULES } from '../../src/trace/rule-hits.js'
import {
  decodeFromProxy,
  decodeFromWatcher,
  encodeMessage,
  MAXIMUM_REFUSAL_LINES,
} from '../../src/watch/coding.js'
import type { FromProxy, FromWatcher } from '../../src/watch/protocol.js'
import { ONE_OF_EACH } from '../trace/events.js'

const FROM_PROXY: { readonly [Type in FromProxy['type']]: Extract<FromProxy, { type: Type }> } = {
  hello: {
    type: 'hello',
    version: 1,
    program: 'postern 1.2.3',
    pid: 7,
    startedAt: 1.5,
    addresses: [{ service: 'default', url: 'pop3://127.0.0.1:110', server: 'pop3s://h:995' }],
    isFace: true,
  },
  events: {
    type: 'events',
    events: [{ at: 1.25, session: 's', content: ONE_OF_EACH['session-closed'] }],
    dropped: 3,
  },
  'snapshot-end': { type: 'snapshot-end' },
  log: { type: 'log', lines: ['{"event":"listening"}'], dropped: 2 },
  process: {
    type: 'process',
    facts: { rssOctets: 1, heapOctets: 2, cpuMs: 3.5, loopDelayMs: 0.5, openSessions: 4 },
  },
  breakpoints: {
    type: 'breakpoints',
    breakpoints: [
      {
        id: 'b1',
        filter: 'user == "bob"',
        kinds: ['reply'],
        isOn: true,
        holdMs: 9,
        hits: 1,
        lastHitAt: null,
      },
    ],
  },
  held: {
    type: 'held',
    items: [
      {
        hold: 'h1',
        session: 's',
        kind: 'command',
        number: 1,
        verb: 'DELE',
        shown: 'DELE 1',
        breakpoint: 'user == "bob"',
        heldAt: 1,
        releaseAt: 2,
        isCommitted: false,
        editableOctets: 6,
      },
    ],
  },
  rules: {
    type: 'rules',
    rules: [
      {
        name: 'tag external',
        place: 'rules/a.yaml:4',
        of: 'message',
        mode: 'shadow',
        when: 'size > MB',
        actions: ['hide', 'log'],
        cost: 'needs the header section',
        onFailure: 'hold',
        stops: true,
      },
    ],
    refusal: { at: 1.5, lines: ['rules/a.yaml:3: expected a name', 'and more'] },
  },
  'rule-hits': {
    type: 'rule-hits',
    hits: [
      {
        rule: 'tag external',
        place: 'rules/a.yaml:4',
        mode: 'enforce',
        of: 'message',
        actions: ['hide'],
        hits: 3,
        failures: 1,
        last: { at: 2.5, session: 's', number: 0, message: 7, uniqueId: null },
      },
    ],
  },
  done: { type: 'done', id: '1', problem: 'no' },
  'held-octets': { type: 'held-octets', id: '1', octets: Buffer.from([0, 10, 255]) },
  ending: { type: 'ending' },
}

const FROM_WATCHER: { readonly [Type in FromWatcher['type']]: Extract<FromWatcher, { type: Type }> } = {
  watch: { type: 'watch', version: 1, messageOctets: 10, log: true },
  'set-breakpoint': {
    type: 'set-breakpoint',
    id: '1',
    breakpoint: null,
    filter: 'user == "bob"',
    kinds: ['message'],
    holdMs: 60_000,
    isOn: true,
  },
  'remove-breakpoint': { type: 'remove-breakpoint', id: '1', breakpoint: 'b1' },
  release: { type: 'release', id: '1', hold: 'h1' },
  drop: { type: 'drop', id: '1', hold: 'h1' },
  answer: { type: 'answer', id: '1', hold: 'h1', octets: Buffer.from('+OK \xff', 'latin1') },
  edit: { type: 'edit', id: '1', hold: 'h1', octets: Buffer.alloc(0) },
  'fetch-held': { type: 'fetch-held', id: '1', hold: 'h1' },
  send: { type: 'send', id: '1', session: 's', line: 'RETR 1' },
  'kill-session': { type: 'kill-session', id: '1', session: 's' },
  'end-proxy': { type: 'end-proxy', id: '1' },
}

interface Direction {
  readonly who: string
  readonly messages: readonly (FromProxy | FromWatcher)[]
  readonly decode: (value: unknown) => FromProxy | FromWatcher | null
}

const DIRECTIONS: readonly Direction[] = [
  { who: 'the proxy', messages: Object.values(FROM_PROXY), decode: decodeFromProxy },
  { who: 'a watcher', messages: Object.values(FROM_WATCHER), decode: decodeFromWatcher },
]

for (const { who, messages, decode } of DIRECTIONS) {
  describe(`a message of ${who}`, () => {
    it.each(messages)('comes back as it was: $type', (message) => {
      const line = encodeMessage(message)
      expect(line.slice(0, -1)).not.toMatch(/[\x00-\x1f]/)
      expect(line.endsWith('\n')).toBe(true)
      expect(decode(JSON.parse(line))).toEqual(message)
    })

    it.each(messages)('is nothing without any one of its fields: $type', (message) => {
      const written: Record<string, unknown> = JSON.parse(encodeMessage(message))
      for (const field of Object.keys(written)) {
        const { [field]: _gone, ...rest } = written
        expect(decode(rest), field).toBeNull()
      }
    })

    it('never makes the reader fail', () => {
      fc.assert(
        fc.property(fc.jsonValue(), (value) => {
          decode(value)
        }),
      )
    })
  })
}

describe('what the proxy says', () => {
  it('is harmless in the log: texts and names of fields, however deep', () => {
    const line = JSON.stringify({ 'a\x1b': 'b\u202e', deep: { list: ['\x07'] } })
    const read = decodeFromProxy({ type: 'log', lines: [line, 'no json', '"text"'], dropped: 1 })
    expect(read).toEqual({
      type: 'log',
      lines: [JSON.stringify({ 'a\\x1b': 'b\\u{202e}', deep: { list: ['\\x07'] } })],
      dropped: 3,
    })
  })

  it('is harmless in the rules, and told no further than a watcher can hold', () => {
    const rule = FROM_PROXY.rules.rules[0]
    const hostile = { ...rule, name: 'a\x1b[2J', when: 'b\u202e', actions: ['c\x07'], cost: 'd\n' }
    const read = decodeFromProxy({ type: 'rules', rules: [hostile], refusal: { at: 1, lines: ['e\x9b'] } })
    expect(read).toMatchObject({
      rules: [{ name: 'a\\x1b[2J', when: 'b\\u{202e}', actions: ['c\\x07'], cost: 'd\\x0a' }],
      refusal: { lines: ['e\\x9b'] },
    })
    const many = (count: number) => ({
      type: 'rules',
      rules: Array.from({ length: count }, () => rule),
      refusal: null,
    })
    expect(decodeFromProxy(many(COUNTED_RULES))).not.toBeNull()
    expect(decodeFromProxy(many(COUNTED_RULES + 1))).toBeNull()
    const lines = Array.from({ length: MAXIMUM_REFUSAL_LINES }, () => 'line')
    expect(decodeFromProxy({ ...many(0), refusal: { at: 1, lines } })).not.toBeNull()
    expect(decodeFromProxy({ ...many(0), refusal: { at: 1, lines: [...lines, 'one more'] } })).toBeNull()
  })

  it('counts events that cannot be read as dropped', () => {
    const read = decodeFromProxy({ type: 'events', events: [{ type: 'foretold' }, 7], dropped: 1 })
    expect(read).toEqual({ type: 'events', events: [], dropped: 3 })
  })
})

describe('what a watcher says', () => {
  it.each(['a\r\nb', 'a\nb', 'a\rb', 'a\0b'])('is no command with %j in it', (line) => {
    expect(decodeFromWatcher({ ...FROM_WATCHER.send, line })).toBeNull()
  })

  it('is bounded', () => {
    expect(decodeFromWatcher({ ...FROM_WATCHER.release, hold: 'h'.repeat(1_000) })).toBeNull()
    expect(decodeFromWatcher({ ...FROM_WATCHER['set-breakpoint'], filter: 'x'.repeat(100_000) })).toBeNull()
    expect(decodeFromWatcher({ ...FROM_WATCHER['set-breakpoint'], holdMs: 1e12 })).toBeNull()
  })
})
