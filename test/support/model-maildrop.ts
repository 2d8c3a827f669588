/**
 * A maildrop on both sides of a relay: a server that has one, rules with a fate for each message, and what a client
 * must see of it. Written apart from the code under test, by RFC 1939.
 */
import type { MessageEdit } from '../../src/mail/edit.js'
import { removeByteStuffing } from '../../src/pop3/encoder.js'
import type { MaildropAnswer, MaildropQuestion } from '../../src/relay/maildrop.js'
import type {
  Examination,
  JudgeAnswers,
  ListedMessage,
  MessageVerdict,
  Purpose,
  RememberedVerdict,
  SeenMessage,
  SessionRules,
  Sight,
} from '../../src/rules/verdict.js'
import type { Conversation } from './conversation.js'

/** What becomes of a message, and how much somebody must see of it to know. */
export interface Fate {
  readonly kind:
    | 'none'
    | 'hide'
    | 'tag'
    | 'body'
    | 'output'
    | 'output-and-tag'
    | 'notice'
    | 'keep'
    | 'refuse'
    | 'quarantine'
  readonly sight: 'listing' | 'header' | 'message' | 'judge'
}

export interface ModelMessage {
  /** Whole lines with CRLF, not byte-stuffed. */
  readonly octets: string
  readonly uniqueId: string
  readonly fate: Fate
}

export interface ModelOptions {
  readonly hasTop: boolean
  readonly hasUniqueIds: boolean
  readonly pipelines: boolean
}

export const NOTICE = 'Taken away.\r\n'
const TAG = 'X-Tag: seen'
const LINE = /^(.*?)\r\n/

/** POP3 server over one maildrop, already logged in. */
export class ModelServer {
  readonly deleted = new Set<number>()
  readonly commands: string[] = []
  quit = false
  readonly #messages: readonly ModelMessage[]
  readonly #options: ModelOptions
  #input = ''

  constructor(messages: readonly ModelMessage[], options: ModelOptions) {
    this.#messages = messages
    this.#options = options
  }

  /** Takes octets. @returns the replies to the commands that are whole */
  take(octets: string): string {
    this.#input += octets
    let replies = ''
    for (let line = LINE.exec(this.#input); line !== null; line = LINE.exec(this.#input)) {
      this.#input = this.#input.slice(line[0].length)
      replies += this.#reply(line[1] ?? '')
    }
    return replies
  }

  #reply(line: string): string {
    this.commands.push(line)
    const [verb = '', first, second] = line.split(' ')
    const present = this.#messages.map((message, index) => ({ message, number: index + 1 }))
    const left = present.filter(({ number }) => !this.deleted.has(number))
    const one = left.find(({ number }) => String(number) === first)
    switch (verb) {
      case 'CAPA': {
        const lines = [
          ...(this.#options.pipelines ? ['PIPELINING'] : []),
          ...(this.#options.hasTop ? ['TOP'] : []),
          'USER',
        ]
        return `+OK\r\n${lines.map((each) => `${each}\r\n`).join('')}.\r\n`
      }
      case 'STAT': {
        const octets = left.reduce((sum, { message }) => sum + message.octets.length, 0)
        return `+OK ${left.length} ${octets}\r\n`
      }
      case 'LIST':
      case 'UIDL': {
        if (verb === 'UIDL' && !this.#options.hasUniqueIds) return '-ERR no UIDL here\r\n'
        const say = ({ message, number }: (typeof left)[number]): string =>
          `${number} ${verb === 'LIST' ? message.octets.length : message.uniqueId}\r\n`
        if (first === undefined) return `+OK\r\n${left.map(say).join('')}.\r\n`
        return one === undefined ? '-ERR no such message\r\n' : `+OK ${say(one)}`
      }
      case 'RETR':
        if (one === undefined) return '-ERR no such message\r\n'
        return `+OK ${one.message.octets.length} octets\r\n${stuff(one.message.octets)}.\r\n`
      case 'TOP':
        if (!this.#options.hasTop) return '-ERR no TOP here\r\n'
        if (one === undefined) return '-ERR no such message\r\n'
        return `+OK\r\n${stuff(top(one.message.octets, Number(second)))}.\r\n`
      case 'DELE':
        if (one === undefined) return '-ERR no such message\r\n'
        this.deleted.add(one.number)
        return '+OK\r\n'
      case 'RSET':
        this.deleted.clear()
        return '+OK\r\n'
      case 'QUIT':
        this.quit = true
        return '+OK bye\r\n'
      case 'NOOP':
        return '+OK\r\n'
      default:
        return '-ERR unknown\r\n'
    }
  }
}

/** What the client must see, command by command. */
export class ModelView {
  /** Server numbers that the client deleted. */
  readonly deleted = new Set<number>()
  readonly #visible: readonly {
    readonly message: ModelMessage
    readonly octets: string
    readonly number: number
  }[]
  readonly #options: ModelOptions

  constructor(messages: readonly ModelMessage[], options: ModelOptions) {
    this.#options = options
    this.#visible = messages
      .map((message, index) => ({ message, octets: afterRules(message), number: index + 1 }))
      .filter(({ message }) => message.fate.kind !== 'hide')
  }

  get count(): number {
    return this.#visible.length
  }

  /** What of a reply has to be so; a text stands for the whole reply, a pattern for its beginning. */
  expect(line: string): string | RegExp {
    const [verb = '', first, second] = line.split(' ')
    const numbered = this.#visible.map((each, index) => ({ ...each, client: index + 1 }))
    const left = numbered.filter(({ number }) => !this.deleted.has(number))
    const one = left.find(({ client }) => String(client) === first)
    switch (verb) {
      case 'STAT':
        return `+OK ${left.length} ${left.reduce((sum, { octets }) => sum + octets.length, 0)}\r\n`
      case 'LIST':
      case 'UIDL': {
        if (verb === 'UIDL' && !this.#options.hasUniqueIds) return /^-ERR [^\r\n]*\r\n$/
        const say = ({ message, octets, client }: (typeof left)[number]): string =>
          `${client} ${verb === 'LIST' ? octets.length : message.uniqueId}\r\n`
        if (first !== undefined) return one === undefined ? /^-ERR [^\r\n]*\r\n$/ : `+OK ${say(one)}`
        const lines = left.map(say).join('')
        return new RegExp(`^\\+OK[^\\r\\n]*\\r\\n${literally(lines)}\\.\\r\\n$`)
      }
      case 'RETR':
      case 'TOP': {
        if (one === undefined || one.message.fate.kind === 'refuse') return /^-ERR [^\r\n]*\r\n$/
        if (verb === 'TOP' && !this.#options.hasTop && !isRebuilt(one.message)) return /^-ERR [^\r\n]*\r\n$/
        const shown = verb === 'TOP' ? top(one.octets, Number(second)) : one.octets
        const status =
          verb === 'RETR' && !isNotice(one.message) ? ` ${one.octets.length} octets` : '[^\\r\\n]*'
        return new RegExp(`^\\+OK${status}\\r\\n${literally(stuff(shown))}\\.\\r\\n$`)
      }
      case 'DELE':
        if (one === undefined) return /^-ERR [^\r\n]*\r\n$/
        this.deleted.add(one.number)
        return /^\+OK[^\r\n]*\r\n$/
      case 'RSET':
        this.deleted.clear()
        return /^\+OK[^\r\n]*\r\n$/
      default:
        return /^\+OK[^\r\n]*\r\n$/
    }
  }

  /** Server numbers that may be gone after QUIT: what the client deleted and no rule keeps. */
  get meant(): readonly number[] {
    return this.#visible
      .filter(({ message, number }) => this.deleted.has(number) && message.fate.kind !== 'keep')
      .map(({ number }) => number)
  }
}

/** Rules with a fate for each message, which ask for exactly what they need. */
export class ModelRules implements SessionRules {
  readonly sightBeforeListing: Sight
  readonly sightBeforeMessage: Sight
  readonly refusesUnseen = false
  readonly keepsOnServer: boolean
  readonly judgesCommands = false
  readonly remembered = new Map<string, RememberedVerdict>()
  readonly #fates: readonly Fate[]
  examined = 0

  constructor(messages: readonly ModelMessage[], memory: ReadonlyMap<string, RememberedVerdict> = new Map()) {
    this.#fates = messages.map(({ fate }) => fate)
    this.remembered = new Map(memory)
    this.sightBeforeMessage = widest(this.#fates)
    this.sightBeforeListing = widest(this.#fates.filter(changesListing))
    this.keepsOnServer = this.#fates.some(({ kind }) => kind === 'keep')
  }

  examine(seen: SeenMessage, _session: unknown, purpose: Purpose): Examination {
    this.examined += 1
    const fate = this.#fates[seen.number - 1]
    // A server that lists what is not there is another test's.
    if (fate === undefined) return decided({})
    if (purpose === 'listing' && !changesListing(fate)) return decided({})
    if (asksJudge(fate) && seen.message !== null && seen.judged === null)
      return { type: 'asks', judges: ['judge'] }
    const sight = sightOf(fate)
    if (sight === 'message' && seen.message === null) return { type: 'needs', sight }
    if (sight === 'header' && seen.header === null) return { type: 'needs', sight }
    return decided(verdictOf(fate))
  }

  command(): null {
    return null
  }

  recall({ uniqueId, size }: ListedMessage, _session: unknown, purpose: Purpose): RememberedVerdict | null {
    return this.remembered.get(`${purpose} ${uniqueId} ${size}`) ?? null
  }

  remember(
    { uniqueId, size }: ListedMessage,
    _session: unknown,
    purpose: Purpose,
    remembered: RememberedVerdict,
  ): void {
    this.remembered.set(`${purpose} ${uniqueId} ${size}`, remembered)
  }
}

/** Lets server and client of a conversation talk until neither has anything more to say. */
export function settle(
  it: Conversation,
  server: ModelServer,
  split: (octets: string) => readonly string[] = (octets) => [octets],
): void {
  for (let round = 0; round < 100_000; round += 1) {
    const octets = it.takeToServer()
    const asked = it.effects.flatMap((effect) => (effect.type === 'ask' ? [effect] : []))
    const reads = it.effects.flatMap((effect) => (effect.type === 'read-spool' ? [effect] : []))
    it.effects.length = 0
    if (octets === '' && asked.length === 0 && reads.length === 0) return
    for (const piece of split(server.take(octets))) it.server(piece)
    for (const { id, question } of asked)
      it.feed({ type: 'answered', id, answer: answerTo(question, wholeOf(question, it)) })
    for (const { id, start, end } of reads) {
      const read = it.files.get(id)?.subarray(start, end) ?? Buffer.alloc(0)
      if (read.length !== end - start) throw new Error(`file ${id} has no octets ${start} to ${end}`)
      it.feed({ type: 'spool-read', id, octets: read })
    }
  }
  throw new Error('no end to it')
}

/** All of a message that lies partly in a file of the conversation. */
function wholeOf({ message, spooled }: MaildropQuestion, it: Conversation): Buffer {
  if (spooled === null) return message
  const whole = removeByteStuffing(it.files.get(spooled.id) ?? Buffer.alloc(0))
  if (whole.length !== spooled.octets)
    throw new Error(`a message of ${whole.length} octets, not ${spooled.octets}`)
  return whole
}

function answerTo({ type }: MaildropQuestion, message: Buffer): MaildropAnswer {
  // Line by line, so that the model can tell what it is of any number of lines.
  const output = Buffer.from(bodyAs(message.toString('latin1'), 'lions'), 'latin1')
  const answers: JudgeAnswers = new Map([['judge', { verdict: 'clean', score: null, finding: '', output }]])
  return type === 'judge' ? { type: 'judged', answers } : { type: 'kept' }
}

function bodyAs(octets: string, cat: string): string {
  const end = octets.indexOf('\r\n\r\n') + 2
  return octets.slice(0, end) + octets.slice(end).replaceAll('cat', cat)
}

function asksJudge({ kind, sight }: Fate): boolean {
  return sight === 'judge' || kind.startsWith('output')
}

const SIGHTS: readonly Sight[] = ['nothing', 'listing', 'header', 'message']

function widest(fates: readonly Fate[]): Sight {
  return fates
    .map(sightOf)
    .reduce<Sight>((most, sight) => (SIGHTS.indexOf(sight) > SIGHTS.indexOf(most) ? sight : most), 'nothing')
}

/** What must be seen to know, and to count what the edits make of it. */
function sightOf({ kind, sight }: Fate): Sight {
  if (sight === 'judge' || kind.startsWith('output')) return 'message'
  if (kind === 'body' || kind === 'quarantine') return 'message'
  if ((kind === 'tag' || kind === 'notice') && sight === 'listing') return 'header'
  return sight
}

function changesListing({ kind }: Fate): boolean {
  return kind !== 'none' && kind !== 'keep' && kind !== 'refuse'
}

function decided(verdict: Partial<MessageVerdict>): Examination {
  return {
    type: 'decided',
    verdict: {
      hits: [],
      isHidden: false,
      isHeld: false,
      refusal: null,
      edits: [],
      quarantine: null,
      isKeptOnServer: false,
      notifications: [],
      isLasting: true,
      ...verdict,
    },
  }
}

function verdictOf({ kind }: Fate): Partial<MessageVerdict> {
  const notice: MessageEdit = { type: 'notice', text: NOTICE }
  switch (kind) {
    case 'none':
      return {}
    case 'hide':
      return { isHidden: true }
    case 'tag':
      return { edits: [{ type: 'add-header', name: 'X-Tag', value: 'seen' }] }
    case 'body':
      return { edits: [{ type: 'replace-text', replace: (text) => text.replaceAll('cat', 'tiger') }] }
    case 'output':
      return { outputOf: 'judge' }
    case 'output-and-tag':
      return { outputOf: 'judge', edits: [{ type: 'add-header', name: 'X-Tag', value: 'seen' }] }
    case 'notice':
      return { edits: [notice] }
    case 'keep':
      return { isKeptOnServer: true }
    case 'refuse':
      return { refusal: 'not now', isLasting: false }
    case 'quarantine':
      return { edits: [notice], quarantine: { rule: 'r', reason: 'x', onFailure: 'deliver' } }
  }
}

function isNotice({ fate: { kind } }: ModelMessage): boolean {
  return kind === 'notice' || kind === 'quarantine'
}

/** TOP is answered from a whole message, or from a notice: the server's TOP is not needed. */
function isRebuilt({ fate: { kind } }: ModelMessage): boolean {
  return kind === 'body' || kind === 'notice' || kind === 'quarantine' || kind.startsWith('output')
}

/** What a message is after its fate. A notice is taken from the code: what it says is tested elsewhere. */
function afterRules({ octets, fate }: ModelMessage): string {
  const end = octets.indexOf('\r\n\r\n') + 2
  switch (fate.kind) {
    case 'tag':
      return `${octets.slice(0, end)}${TAG}\r\n${octets.slice(end)}`
    case 'body':
      return bodyAs(octets, 'tiger')
    case 'output':
      return bodyAs(octets, 'lions')
    case 'output-and-tag':
      return `${octets.slice(0, end)}${TAG}\r\n${bodyAs(octets, 'lions').slice(end)}`
    case 'notice':
    case 'quarantine':
      return noticeAs(octets.slice(0, end + 2))
    default:
      return octets
  }
}

let noticeAs: (header: string) => string = () => {
  throw new Error('no notice was given')
}

/** How a notice is written; see `mail/edit.ts`. */
export function noticesAre(write: (header: string) => string): void {
  noticeAs = write
}

function top(octets: string, lines: number): string {
  const end = octets.startsWith('\r\n') ? 2 : octets.indexOf('\r\n\r\n') + 4
  // Without an empty line all of it is header section.
  if (end === 3) return octets
  const body = octets.slice(end).split('\r\n').slice(0, -1)
  return (
    octets.slice(0, end) +
    body
      .slice(0, lines)
      .map((line) => `${line}\r\n`)
      .join('')
  )
}

function stuff(octets: string): string {
  return octets.replace(/(^|\r\n)\./g, '$1..')
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
