/**
 * Hints about what a server tells of a maildrop: sizes that do not fit, sums that do not add up, unique-ids that are
 * not unique, and TOP.
 */
import type { Heard } from './heard.js'
import { serverLines, serverText, succeeded, toldLines, toldText } from './heard.js'
import type { Hint } from './hint.js'
import { dropListing, listedMessages, listedOctets, shownLine } from './listings.js'
import { type MessageRecord, messagesOf } from './messages.js'
import { replyOf, serverReplyOf, type Turn } from './turns.js'

/** RFC 1939 §7: one to 70 characters in the range 0x21 to 0x7E. */
const UNIQUE_ID = /^[\x21-\x7e]{1,70}$/
const UNIQUE_ID_SHOWN = 70
const LF = 0x0a

/** Finds them. */
export function maildropHints(heard: Heard): readonly Hint[] {
  return [...sizeHints(heard), ...sumHints(heard), ...uniqueIdHints(heard), ...topHints(heard)]
}

/** Sizes by message-number as the server listed them, those of deleted messages included. RFC 1939 §5. */
export function listedSizes({ turns }: Pick<Heard, 'turns'>): ReadonlyMap<number, number> {
  const sizes = new Map<number, number>()
  for (const turn of turns) {
    if (turn.verb !== 'LIST') continue
    for (const { messageNumber, rest } of listedIn(turn)) {
      const octets = listedOctets(rest)
      if (octets !== null) sizes.set(messageNumber, octets)
    }
  }
  return sizes
}

/** Unique-ids by message-number as the server listed them. RFC 1939 §7. */
export function listedUniqueIds({ turns }: Pick<Heard, 'turns'>): ReadonlyMap<number, string> {
  const ids = new Map<number, string>()
  for (const turn of turns) {
    if (turn.verb !== 'UIDL') continue
    for (const { messageNumber, rest } of listedIn(turn)) ids.set(messageNumber, rest)
  }
  return ids
}

/** Lines of a listing, or the one line that `LIST n` and `UIDL n` answer with, as the server gave them. */
function listedIn(turn: Turn): ReturnType<typeof listedMessages> {
  return listedAs(turn, serverLines, serverText)
}

/** The same as the client got them. */
function toldIn(turn: Turn): ReturnType<typeof listedMessages> {
  return listedAs(turn, toldLines, toldText)
}

function listedAs(
  turn: Turn,
  linesOf: (turn: Turn) => readonly string[],
  textOf: (turn: Turn) => string | null,
): ReturnType<typeof listedMessages> {
  if (turn.words.length === 0) return listedMessages(linesOf(turn))
  const text = textOf(turn)
  return text === null ? [] : listedMessages([text])
}

/** A size as the client was told, and by whom: postern says what it will send where rules change messages. */
interface ToldSize {
  readonly octets: number
  readonly by: 'server' | 'postern'
}

function toldSizes({ turns }: Heard): ReadonlyMap<number, ToldSize> {
  const sizes = new Map<number, ToldSize>()
  for (const turn of turns) {
    if (turn.verb !== 'LIST') continue
    const by = replyOf(turn)?.source ?? 'server'
    for (const { messageNumber, rest } of toldIn(turn)) {
      const octets = listedOctets(rest)
      if (octets !== null) sizes.set(messageNumber, { octets, by })
    }
  }
  return sizes
}

/**
 * Octets of a message that a listing must have told. Of postern's listing that is what the client got, of the server's
 * what the server sent, whatever a person made of it.
 *
 * @returns null where it is not known, or where a person changed what postern's listing told
 */
function octetsToTell(
  message: MessageRecord,
  { by }: ToldSize,
  byPerson: ReadonlySet<number>,
): number | null {
  const { sent, octets, notKept, number } = message
  if (octets === null || by === 'server' || sent === null) return octets
  // What was kept of it in part does not end a line, but by chance.
  const isWhole = notKept === 0 && sent[sent.length - 1] === LF
  return isWhole && !byPerson.has(number) ? sent.length : null
}

/** Commands whose reply a person changed. */
function changedByPerson({ record: { events } }: Heard): ReadonlySet<number> {
  return new Set(
    events.flatMap(({ content }) =>
      content.type === 'released' && (content.verdict === 'edited' || content.verdict === 'answered')
        ? [content.number]
        : [],
    ),
  )
}

/** One hint a session: a server that counts otherwise does so for every message. */
function sizeHints(heard: Heard): readonly Hint[] {
  const sizes = toldSizes(heard)
  const byPerson = changedByPerson(heard)
  const wrong = messagesOf(heard.record).flatMap((message) => {
    const { verb, messageNumber } = message
    const told = messageNumber === null ? undefined : sizes.get(messageNumber)
    if (verb !== 'RETR' || told === undefined) return []
    const octets = octetsToTell(message, told, byPerson)
    return octets === null || octets === told.octets ? [] : [{ message, octets, listed: told.octets }]
  })
  const [first] = wrong
  if (first === undefined) return []
  const { message, octets, listed } = first
  const difference = octets - listed
  const amount = `${Math.abs(difference)} ${difference > 0 ? 'more' : 'fewer'}`
  const cause =
    message.isWhole && message.octets === octets && difference === linesWithin(message.original)
      ? ', one for each line: the server counts a line end as one octet instead of two'
      : ''
  const others = wrong.length === 1 ? '' : `; ${wrong.length - 1} more like it`
  const text = `LIST says ${listed} octets for message ${message.messageNumber}, RETR sent ${octets}: ${amount}${cause}${others}`
  return [{ number: message.number, side: 'server', text, reference: 'RFC 1939 §11', severity: 'hint' }]
}

function linesWithin(octets: Buffer | null): number {
  if (octets === null) return 0
  let lines = 0
  for (let at = octets.indexOf(0x0a); at !== -1; at = octets.indexOf(0x0a, at + 1)) lines += 1
  return lines
}

/** A STAT and a LIST between which nothing was marked as deleted must say the same. */
function sumHints({ turns }: Heard): readonly Hint[] {
  let stat: { readonly messages: number; readonly octets: number } | null = null
  let list: { readonly messages: number; readonly octets: number } | null = null
  for (const turn of turns) {
    if (turn.verb === 'DELE' || turn.verb === 'RSET') {
      stat = null
      list = null
    } else if (turn.verb === 'STAT') stat = dropListing(serverText(turn) ?? '') ?? stat
    else if (turn.verb === 'LIST' && turn.words.length === 0) list = sumOf(turn) ?? list
    else continue
    if (stat === null || list === null) continue
    if (stat.messages === list.messages && stat.octets === list.octets) continue
    const text = `STAT says ${stat.messages} messages of ${stat.octets} octets, LIST ${list.messages} of ${list.octets}`
    return [{ number: turn.number, side: 'server', text, reference: 'RFC 1939 §5', severity: 'hint' }]
  }
  return []
}

/** Null where the listing was not kept whole. */
function sumOf(turn: Turn): { readonly messages: number; readonly octets: number } | null {
  if (turn.end === null) return null
  const lines = serverLines(turn)
  const sizes = listedMessages(lines).map(({ rest }) => listedOctets(rest))
  const isKept = turn.end.octets === turn.content.server.reduce((sum, { length }) => sum + length, 0)
  if (!isKept || sizes.length !== lines.length) return null
  let octets = 0
  for (const size of sizes) {
    if (size === null) return null
    octets += size
  }
  return { messages: sizes.length, octets }
}

function uniqueIdHints({ turns }: Heard): readonly Hint[] {
  const hints: Hint[] = []
  for (const turn of turns) {
    if (turn.verb !== 'UIDL') continue
    const listed = toldIn(turn)
    hints.push(...repeatedUniqueIds(turn, listed), ...malformedUniqueIds(turn, listed))
  }
  return hints
}

function repeatedUniqueIds(turn: Turn, listed: ReturnType<typeof listedMessages>): readonly Hint[] {
  const holders = new Map<string, number>()
  for (const { messageNumber, rest } of listed) {
    const holder = holders.get(rest)
    holders.set(rest, messageNumber)
    if (holder === undefined || holder === messageNumber) continue
    const text = `UIDL gives messages ${holder} and ${messageNumber} the same unique-id ${shortened(rest)}: a client may fetch only one of them (which is right only if they are identical copies)`
    return [{ number: turn.number, side: 'server', text, reference: 'RFC 1939 §7', severity: 'attention' }]
  }
  return []
}

function malformedUniqueIds(turn: Turn, listed: ReturnType<typeof listedMessages>): readonly Hint[] {
  const wrong = listed.filter(({ rest }) => !UNIQUE_ID.test(rest))
  const [first] = wrong
  if (first === undefined) return []
  const { messageNumber, rest } = first
  const how =
    rest.length > UNIQUE_ID_SHOWN ? `has ${rest.length} characters` : 'has blanks or other characters'
  const others = wrong.length === 1 ? '' : `; ${wrong.length - 1} more like it`
  const text = `the unique-id of message ${messageNumber} ${how}; 1 to 70 of printable ASCII without blanks are allowed${others}`
  return [{ number: turn.number, side: 'server', text, reference: 'RFC 1939 §7', severity: 'hint' }]
}

function shortened(uniqueId: string): string {
  const shown = shownLine(uniqueId)
  return shown.length <= UNIQUE_ID_SHOWN ? shown : `${shown.slice(0, UNIQUE_ID_SHOWN)}...`
}

/** A TOP that fails for a message which is there: the server has none. */
function topHints(heard: Heard): readonly Hint[] {
  const { turns } = heard
  const present = new Set(toldSizes(heard).keys())
  for (const turn of turns) if (turn.verb === 'RETR' && succeeded(turn)) present.add(Number(turn.words[0]))
  const tops = turns.filter(({ verb }) => verb === 'TOP')
  const refused = tops.find((turn) => serverRefusesTop(turn) && present.has(Number(turn.words[0])))
  if (refused === undefined || tops.some(succeeded)) return []
  const text =
    'the server refuses TOP for a message that is there: TOP is optional, a client has to do without or use RETR'
  return [{ number: refused.number, side: 'server', text, reference: 'RFC 1939 §7', severity: 'hint' }]
}

/** A rule may refuse a message, and have more of it fetched than TOP gives: both say nothing of the server's TOP. */
function serverRefusesTop(turn: Turn): boolean {
  const asked = turn.replacement?.verb ?? 'TOP'
  return asked === 'TOP' && serverReplyOf(turn)?.indicator === '-ERR'
}
