/**
 * A session's dialogue on one leg as packets that read well: one packet for each line of it, content joined so that
 * the POP dissector of Wireshark finds whole messages, and everything that has no octets as comments. Pure.
 *
 * How tshark 4.0's dissector reads POP, and what follows from it:
 * - It looks at the beginning of each packet alone. A packet that begins with `+OK` or `-ERR` is a reply, any other of
 *   the server is a piece of a message. Hence every command and status line begins a packet; a listing is joined to its
 *   status line, where the dissector shows its lines; a message follows its status line in packets of its own, where it
 *   is put together and dissected as mail; and no such packet begins with `+OK` by chance.
 * - Behind the `+OK` to STLS it hands the connection to TLS. What we have is decrypted, so the connection ends there
 *   and the dialogue goes on in a new one between the same ends, with a comment on its first packet.
 * - Octets that were not recorded are left out like octets that a capture lost, the termination octet line behind them
 *   included: sequence numbers pass, a comment says how many, and tshark says "previous segment not captured" and
 *   "bytes missing in capture file". Nothing is put in their place. The dissector would keep the first part of such a
 *   message for the next one, so behind a part the dialogue goes on in a new connection too.
 */
import { ANOMALIES } from '../pop3/anomaly.js'
import { REDACTED } from '../pop3/secret.js'
import { expectsContent } from '../sessions/turns.js'
import type { TlsFacts, TraceContent, TraceEvent } from '../trace/event.js'
import { type AddressBook, type Family, familyOf, namedEndpoint, POP3_PORT } from './address-book.js'
import { ContentOctets } from './content-octets.js'
import type { Interventions, Leg } from './interventions.js'
import type { PcapngPacket } from './pcapng.js'
import { type Sender, SyntheticConnection } from './synthetic-tcp.js'

type Of<Type extends TraceContent['type']> = Extract<TraceContent, { type: Type }>

/** What a first packet says at most, so that a hostile session cannot make comments without end. */
const MOST_COMMENT_LINES = 40
/** Octets of `+OK` and `-ERR` that must be seen before a packet is cut in front of them. */
const LOOK_AHEAD_OCTETS = 4
const CRLF = Buffer.from('\r\n', 'latin1')
const TERMINATION = Buffer.from('.\r\n', 'latin1')
const MESSAGE_VERBS = new Set(['RETR', 'TOP'])

/** A packet that is not written yet, since what comes next may belong to it. */
interface Pending {
  readonly sender: Sender
  at: number
  octets: Buffer
  readonly comments: string[]
}

/** The packets of one leg of one session. */
export class LegPackets {
  readonly #leg: Leg
  readonly #session: string
  readonly #interventions: Interventions
  readonly #book: AddressBook
  readonly #ordinal: number
  #opening: Of<'session-opened'> | null = null
  #connection: SyntheticConnection | null = null
  #openedAt = 0
  #streams = 0
  #isOver = false
  #pending: Pending | null = null
  #comments: string[] = []
  #packets: PcapngPacket[] = []
  #contentOctets: ContentOctets | null = null
  #stlsAnswered = false
  /** Commands for a listing that have no reply yet. */
  readonly #listings = new Set<number>()

  /** @param ordinal of the session in the file; tells connections apart where nothing else does */
  constructor(leg: Leg, session: string, ordinal: number, interventions: Interventions, book: AddressBook) {
    this.#leg = leg
    this.#session = session
    this.#ordinal = ordinal
    this.#interventions = interventions
    this.#book = book
  }

  /** Takes the session's next event. Returns the packets that are complete by now. */
  add(event: TraceEvent): readonly PcapngPacket[] {
    this.#packets = []
    if (!this.#isOver) this.#take(event.content, event.at)
    return this.#packets
  }

  /** Ends a session whose end was not recorded. */
  end(at: number): readonly PcapngPacket[] {
    this.#packets = []
    if (this.#connection !== null && !this.#isOver) {
      this.#say('the recording ends here, the session went on')
      this.#flush()
      this.#sendComments(at)
    }
    this.#isOver = true
    return this.#packets
  }

  #take(content: TraceContent, at: number): void {
    switch (content.type) {
      case 'session-opened':
        this.#opened(content, at)
        return
      case 'server-connected':
        if (this.#leg === 'server') this.#openedAt = at
        return
      case 'tls-established':
        this.#tlsEstablished(content.side, content.tls, at)
        return
      case 'greeting':
        this.#line('accepter', at, statusOctets(content.indicator, null, content.text), false)
        return
      case 'command':
        this.#expect(content)
        if (this.#interventions.carriesCommand(this.#session, this.#leg, content.number))
          this.#line('opener', at, content.wire ?? lineOf(content.shown), content.origin === 'watcher')
        return
      case 'command-replaced':
        if (this.#leg === 'server') {
          this.#say('changed on its way by a person or a rule')
          this.#line('opener', at, content.wire ?? lineOf(content.shown), false)
        }
        return
      case 'sasl-challenge':
        if (content.octets === 0) this.#line('accepter', at, lineOf('+ '), false)
        else this.#hiddenLine('accepter', at, `+ ${REDACTED}`, content.octets)
        return
      case 'sasl-response':
        if (content.cancels) this.#line('opener', at, lineOf('*'), false)
        else this.#hiddenLine('opener', at, REDACTED, content.octets)
        return
      case 'reply':
        this.#reply(content, at)
        return
      case 'content':
        if (this.#carriesContent(content.number, content.source)) this.#content(content, at)
        return
      case 'content-end':
        this.#contentEnd(content, at)
        return
      case 'unsolicited':
        this.#note(
          `the server sent ${content.octets} octets here that nobody asked for; they are not recorded`,
        )
        this.#flush()
        this.#skip(at, content.octets)
        return
      case 'logged-in':
        this.#note(`logged in${by(content.user, content.mechanism)}`)
        return
      case 'login-refused':
        this.#note(`login refused${by(content.user, content.mechanism)}`)
        return
      case 'anomaly':
        this.#note(`anomaly of the ${content.side}: ${ANOMALIES[content.anomaly]}`)
        return
      case 'held':
        this.#note(`the ${content.kind} was held here by ${content.breakpoint}`)
        return
      case 'released':
        this.#note(`the ${content.kind} was ${content.verdict} after ${Math.round(content.afterMs)} ms`)
        return
      case 'not-held':
        this.#note(`the ${content.kind} could not be held: ${content.reason}`)
        return
      case 'rule-hit':
        this.#note(ruleText(content))
        return
      case 'maildrop-seen':
        // What postern asked for its rules is told to nobody, and is missing on this leg.
        if (this.#leg === 'server')
          this.#note(
            `postern looked at the maildrop for its rules here (${content.headers} header sections, ${content.whole} whole messages): its own commands and their replies are not recorded`,
          )
        return
      case 'rules-blind':
        this.#note(`rules could not be asked about this maildrop: ${content.text}`)
        return
      case 'failure':
        this.#note(`failed toward the ${content.side}: ${content.failure.text} (${content.failure.code})`)
        return
      case 'session-closed':
        this.#closed(content, at)
        return
    }
  }

  #opened(content: Of<'session-opened'>, at: number): void {
    this.#opening = content
    this.#openedAt = at
    const legs =
      this.#leg === 'client'
        ? `client ${content.client} with ${content.listener}, before ${content.server}`
        : `postern with ${content.server}, for client ${content.client}`
    this.#say(`session ${this.#session} (${content.service}): ${legs}`)
  }

  #tlsEstablished(side: Leg, tls: TlsFacts, at: number): void {
    const name = tls.serverName === null ? '' : `, server name ${tls.serverName}`
    const text = `TLS with the ${side}: ${tls.protocol} ${tls.cipher}${name}${tls.resumed ? ', resumed' : ''}`
    if (side !== this.#leg || !this.#stlsAnswered || this.#connection === null) {
      this.#note(text)
      return
    }
    this.#note('TLS begins here: the dialogue goes on, decrypted, in the next connection')
    this.#stlsAnswered = false
    this.#goOnElsewhere(at, 'within TLS')
    this.#say(text)
  }

  /** Ends the connection and lets what follows begin a new one, where the dissector would misread it in the old one. */
  #goOnElsewhere(at: number, where: string): void {
    this.#flush()
    if (this.#connection !== null)
      this.#packets.push(...this.#connection.close('opener', at, this.#takeComments()))
    this.#connection = null
    this.#openedAt = at
    this.#say(`session ${this.#session} goes on here ${where}`)
  }

  #expect({ number, verb, shown }: Of<'command'>): void {
    const words = shown.split(' ').slice(1)
    if (!MESSAGE_VERBS.has(verb) && expectsContent({ verb, words })) this.#listings.add(number)
  }

  #reply(content: Of<'reply'>, at: number): void {
    const { number, source, indicator, verb } = content
    const isListing = this.#listings.delete(number)
    if (!this.#interventions.carriesReply(this.#session, this.#leg, number, source)) return
    const octets = content.wire ?? statusOctets(indicator, content.responseCode, content.text)
    this.#line('accepter', at, octets, false)
    if (source === 'postern') this.#note('answered by postern')
    if (verb === 'STLS' && indicator === '+OK') this.#stlsAnswered = true
    this.#contentOctets = null
    // A listing of nothing has no content to be told, only an end.
    const isEmpty = this.#interventions.piecesOfPostern(this.#session, number) === 0
    if (source === 'postern' && indicator === '+OK' && isListing && isEmpty)
      this.#append('accepter', at, TERMINATION)
  }

  #carriesContent(number: number, source: 'server' | 'postern'): boolean {
    return this.#interventions.carriesContent(this.#session, this.#leg, number, source)
  }

  #content(content: Of<'content'>, at: number): void {
    const { wire, verb, source } = content
    if (this.#contentOctets === null) {
      this.#contentOctets = new ContentOctets()
      if (source === 'postern') this.#note('content by postern, not the one of the server')
      if (MESSAGE_VERBS.has(verb) && !beginsLikeReply(wire)) this.#flush()
    }
    this.#contentOctets.add(wire)
    this.#append('accepter', at, wire)
    // Content of postern has no end of its own: it ends with its last piece.
    if (source === 'postern' && this.#isLastPiece(content.number, this.#contentOctets))
      this.#endContentOfPostern(wire, at)
  }

  #isLastPiece(number: number, { pieces }: ContentOctets): boolean {
    return pieces >= this.#interventions.piecesOfPostern(this.#session, number)
  }

  #endContentOfPostern(last: Buffer, at: number): void {
    if (!endsLine(last)) this.#note('the end of what the client got is not in the recording')
    this.#append('accepter', at, endOf(last))
  }

  /** What the end says of the content's octets tells how many of them are missing here. */
  #contentEnd(content: Of<'content-end'>, at: number): void {
    const { number } = content
    if (!this.#carriesNumber(number)) return
    if (this.#leg === 'client' && this.#interventions.replacesContent(this.#session, number)) return
    const kept = this.#contentOctets?.octets ?? 0
    this.#contentOctets = null
    const missing = content.octets - kept
    if (missing <= 0) {
      this.#append('accepter', at, TERMINATION)
      return
    }
    const rest = kept === 0 ? '' : ' more'
    this.#note(`${missing}${rest} octets of content passed here that are not in the recording`)
    this.#flush()
    this.#skip(at, missing + TERMINATION.length)
    if (kept > 0 && MESSAGE_VERBS.has(content.verb))
      this.#goOnElsewhere(at, 'behind the message of which a part is missing')
  }

  /** The content of a watcher's command never reached the client. */
  #carriesNumber(number: number): boolean {
    return this.#interventions.carriesCommand(this.#session, this.#leg, number)
  }

  #closed(content: Of<'session-closed'>, at: number): void {
    const { octets, commands, messages, durationMs, reason, code } = content
    const [from, to] =
      this.#leg === 'client' ? [octets.fromClient, octets.toClient] : [octets.toServer, octets.fromServer]
    this.#say(
      `session closed: ${code ?? reason}; ${commands} commands, ${messages} messages; on this leg ${from} octets of requests, ${to} of replies; ${Math.round(durationMs)} ms`,
    )
    this.#isOver = true
    if (this.#connection === null && (this.#leg === 'client' || this.#openedAt === 0)) return
    this.#flush()
    const connection = this.#connect(at)
    const comment = this.#takeComments()
    const isClean = content.code === null
    const packets = isClean
      ? connection.close(closesFirst(this.#leg, reason), at, comment)
      : connection.reset('accepter', at, comment)
    this.#packets.push(...packets)
  }

  // Octets, comments, packets.

  #hiddenLine(sender: Sender, at: number, shown: string, octets: number): void {
    this.#line(sender, at, lineOf(shown), false)
    this.#note(`a SASL line of ${octets} octets, hidden`)
  }

  #line(sender: Sender, at: number, octets: Buffer, isWatchers: boolean): void {
    this.#flush()
    this.#connect(at)
    if (isWatchers) this.#say('sent by a person who watches')
    this.#pending = { sender, at, octets, comments: this.#comments }
    this.#comments = []
  }

  #append(sender: Sender, at: number, octets: Buffer): void {
    if (this.#pending === null || this.#pending.sender !== sender) {
      this.#flush()
      this.#connect(at)
      this.#pending = { sender, at, octets: Buffer.alloc(0), comments: this.#comments }
      this.#comments = []
    }
    const pending = this.#pending
    pending.octets = pending.octets.length === 0 ? octets : Buffer.concat([pending.octets, octets])
    this.#sendWhole(pending, at)
  }

  /** Sends all segments that are full, for as long as it is known that the next begins like no reply. */
  #sendWhole(pending: Pending, at: number): void {
    const connection = this.#connect(at)
    const most = connection.segmentOctets
    while (pending.octets.length >= most + LOOK_AHEAD_OCTETS) {
      const length = beginsLikeReply(pending.octets.subarray(most)) ? most - 1 : most
      const comment = commentOf(pending.comments.splice(0))
      this.#packets.push(...connection.send(pending.sender, at, pending.octets.subarray(0, length), comment))
      pending.octets = pending.octets.subarray(length)
      pending.at = at
    }
  }

  #flush(): void {
    const pending = this.#pending
    if (pending === null) return
    const connection = this.#connect(pending.at)
    this.#pending = null
    let octets = pending.octets
    // The last piece may be some octets longer than a segment: it waited to be looked at.
    const most = connection.segmentOctets
    if (octets.length > most && beginsLikeReply(octets.subarray(most))) {
      const first = octets.subarray(0, most - 1)
      this.#packets.push(
        ...connection.send(pending.sender, pending.at, first, commentOf(pending.comments.splice(0))),
      )
      octets = octets.subarray(most - 1)
    }
    this.#packets.push(...connection.send(pending.sender, pending.at, octets, commentOf(pending.comments)))
  }

  #skip(at: number, octets: number): void {
    this.#packets.push(...this.#connect(at).skip('accepter', at, octets, this.#takeComments()))
  }

  #sendComments(at: number): void {
    if (this.#comments.length > 0) this.#skip(at, 0)
  }

  /** Says something beside the packet that waits, or beside the next one. */
  #note(text: string): void {
    addTo(this.#pending?.comments ?? this.#comments, text)
  }

  /** Says something beside the next packet. */
  #say(text: string): void {
    addTo(this.#comments, text)
  }

  #takeComments(): string | null {
    return commentOf(this.#comments.splice(0))
  }

  /** Opens the connection with the first thing that happens in it; what was said by then stands at its beginning. */
  #connect(at: number): SyntheticConnection {
    if (this.#connection !== null) return this.#connection
    const { client, server, listener } = this.#opening ?? { client: '', server: '', listener: '' }
    const origin = namedEndpoint(client)
    const far = namedEndpoint(this.#leg === 'client' ? listener : server)
    const family: Family = familyOf(this.#leg === 'client' ? origin.host : far.host) ?? 4
    const near = this.#leg === 'client' ? origin.host : ''
    const connection = new SyntheticConnection(
      {
        address: this.#book.addressOf(near, family, this.#leg === 'client' ? 'client' : 'postern'),
        port: origin.port === 0 ? 49_152 + (this.#ordinal % 16_384) : origin.port,
      },
      {
        address: this.#book.addressOf(far.host, family, this.#leg === 'client' ? 'postern' : 'server'),
        port: POP3_PORT,
      },
      Math.imul(this.#ordinal * 4 + this.#streams + 1, 0x0061_c889),
    )
    this.#streams += 1
    this.#connection = connection
    this.#packets.push(...connection.open(this.#openedAt === 0 ? at : this.#openedAt, this.#takeComments()))
    return connection
  }
}

function addTo(comments: string[], text: string): void {
  if (comments.length < MOST_COMMENT_LINES) comments.push(text)
  else if (comments.length === MOST_COMMENT_LINES) comments.push('and more')
}

function commentOf(comments: readonly string[]): string | null {
  return comments.length === 0 ? null : `postern: ${comments.join('\n')}`
}

function lineOf(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'utf8'), CRLF])
}

/** A status line from its parts, as `TraceContent` tells them where the octets are nothing else. */
function statusOctets(indicator: string, responseCode: string | null, text: string): Buffer {
  const code = responseCode === null ? '' : `[${responseCode}]`
  return lineOf([indicator, code, text].filter((word) => word !== '').join(' '))
}

/** The termination octet line, on a line of its own. */
function endOf(content: Buffer): Buffer {
  return content.length === 0 || endsLine(content) ? TERMINATION : Buffer.concat([CRLF, TERMINATION])
}

function endsLine(content: Buffer): boolean {
  return content.subarray(-2).equals(CRLF)
}

function beginsLikeReply(octets: Buffer): boolean {
  const beginning = octets.toString('latin1', 0, LOOK_AHEAD_OCTETS)
  return beginning.startsWith('+OK') || beginning === '-ERR'
}

/** RFC 1939 §6: behind QUIT the server closes. A client that left has closed itself. */
function closesFirst(leg: Leg, reason: string): Sender {
  if (leg === 'server') return reason === 'server-closed' || reason === 'quit' ? 'accepter' : 'opener'
  return reason === 'client-left' ? 'opener' : 'accepter'
}

function ruleText({ rule, mode, message, actions, reason }: Of<'rule-hit'>): string {
  const about = message === null ? '' : `, message ${message} of the server`
  const does = mode === 'failed' ? `could not be asked: ${reason}` : actions.join(', ')
  return `rule "${rule}"${mode === 'shadow' ? ' (shadow, nothing is done)' : ''}${about}: ${does}`
}

function by(user: string | null, mechanism: string | null): string {
  return `${user === null ? '' : ` as ${user}`}${mechanism === null ? '' : ` by ${mechanism}`}`
}
