/**
 * Captured packets as trace events: finds the POP3 connections among them, puts both directions back in order and has
 * an observer tell each. Pure and bounded; what had to be passed over is said.
 */
import { DEFAULT_LIMITS } from '../pop3/limits.js'
import { Observer } from '../relay/observer.js'
import type { Side, TraceEvent } from '../trace/event.js'
import type { CapturedPacket } from './capture-file.js'
import { type HalfStep, TcpHalf } from './tcp-half.js'
import { contentOf, type TcpSegment } from './tcp-segment.js'

/** POP3, and POP3S, of which at least can be said that it is there. RFC 1939 §3, RFC 8314 §7.3. */
export const POP3_PORTS: readonly number[] = [110, 995]

/** How a capture is read. */
export interface ObserveOptions {
  /** Ports that servers listen on. */
  readonly ports: ReadonlySet<number>
  /** Octets of each message that are told as content. */
  readonly messageOctets: number
  /** Names the sessions, from 1; given so that several captures have no name in common. */
  readonly nameSession: (ordinal: number) => string
}

/** What a packet made known. A `problem` is one line for a person. */
export type ObservedItem =
  | { readonly type: 'event'; readonly event: TraceEvent }
  | { readonly type: 'problem'; readonly text: string }

interface Connection {
  readonly client: string
  readonly observer: Observer
  readonly halves: Readonly<Record<Side, TcpHalf>>
  readonly initialSequence: number | null
  hasConnected: boolean
  lastAt: number
  readonly ended: Set<Side>
}

/** Connections that are followed at one time; beyond them the oldest is given up. */
const MOST_CONNECTIONS = 4_096
/** Octets that wait for lost or late ones before them, over all connections. */
const MOST_HELD_OCTETS = 67_108_864

/** Follows the connections of one capture. */
export class CaptureObserver {
  readonly #options: ObserveOptions
  readonly #connections = new Map<string, Connection>()
  #items: ObservedItem[] = []
  #ordinal = 0
  #fragments = 0
  #givenUp = 0
  #heldOctets = 0
  readonly #unknownLinks = new Set<number>()

  constructor(options: ObserveOptions) {
    this.#options = options
  }

  /** Takes the next packet. Never fails, whatever is in it. */
  add(packet: CapturedPacket): readonly ObservedItem[] {
    this.#items = []
    const content = contentOf(packet)
    if (content.type === 'segment') this.#segment(content.segment)
    else if (content.type === 'fragment') this.#fragments += 1
    else if (content.type === 'unknown-link') this.#unknownLink(content.linkType)
    return this.#items
  }

  /** Ends the capture: sessions that lack octets are marked, others stay open. */
  end(): readonly ObservedItem[] {
    this.#items = []
    for (const connection of this.#connections.values()) this.#markGaps(connection)
    this.#connections.clear()
    if (this.#fragments > 0) {
      const text = `${this.#fragments} packets were parts of packets that IP had split, and were passed over: sessions they belong to lack octets`
      this.#items.push({ type: 'problem', text })
    }
    if (this.#givenUp > 0) {
      const text = `more than ${MOST_CONNECTIONS} connections at one time: the oldest ${this.#givenUp} were not followed to their end`
      this.#items.push({ type: 'problem', text })
    }
    return this.#items
  }

  #unknownLink(linkType: number): void {
    if (this.#unknownLinks.has(linkType) || this.#unknownLinks.size > 16) return
    this.#unknownLinks.add(linkType)
    const text = `packets of link type ${linkType} cannot be read: capture on Ethernet, loopback, "any" or raw IP`
    this.#items.push({ type: 'problem', text })
  }

  #segment(segment: TcpSegment): void {
    const side = this.#senderOf(segment)
    if (side === null) return
    const [client, server] =
      side === 'client' ? [segment.source, segment.destination] : [segment.destination, segment.source]
    const key = `${client} ${server}`
    let connection = this.#connections.get(key) ?? null
    if (segment.isSyn && side === 'client' && connection?.initialSequence !== segment.sequence) {
      if (connection !== null) this.#forget(key, connection)
      connection = this.#begin(key, client, server, segment, segment.sequence)
    }
    if (connection === null) {
      // What closes a connection of which nothing was seen is not worth a session.
      if (segment.isReset || segment.isSyn || segment.payload.length + segment.cutOctets === 0) return
      connection = this.#begin(key, client, server, segment, null)
    }
    this.#follow(key, connection, side, segment)
  }

  #senderOf({ sourcePort, destinationPort, source, destination, isSyn, isAck }: TcpSegment): Side | null {
    const { ports } = this.#options
    const toServer = ports.has(destinationPort)
    const fromServer = ports.has(sourcePort)
    if (toServer !== fromServer) return toServer ? 'client' : 'server'
    if (!toServer) return null
    // Both ports are servers': who asked for the connection is the client.
    if (this.#connections.has(`${source} ${destination}`)) return 'client'
    if (this.#connections.has(`${destination} ${source}`)) return 'server'
    return isSyn && isAck ? 'server' : 'client'
  }

  #begin(
    key: string,
    client: string,
    server: string,
    segment: TcpSegment,
    initialSequence: number | null,
  ): Connection {
    this.#ordinal += 1
    const url = `pop3://${server}`
    const observer = new Observer(
      {
        sessionId: this.#options.nameSession(this.#ordinal),
        service: 'capture',
        listener: url,
        client,
        server: url,
        limits: DEFAULT_LIMITS,
        multiLineVerbs: new Set(),
        showsUserNames: true,
        attention: { isWatched: true, messageOctets: this.#options.messageOctets },
        beginsWithin: initialSequence === null,
      },
      (event) => this.#items.push({ type: 'event', event }),
    )
    const connection = {
      client,
      observer,
      halves: { client: new TcpHalf(), server: new TcpHalf() },
      initialSequence,
      hasConnected: initialSequence === null,
      lastAt: segment.at,
      ended: new Set<Side>(),
    }
    this.#makeRoom()
    this.#connections.set(key, connection)
    observer.opened(segment.at)
    return connection
  }

  #makeRoom(): void {
    if (this.#connections.size < MOST_CONNECTIONS) return
    const [oldest] = this.#connections
    if (oldest === undefined) return
    this.#givenUp += 1
    this.#forget(...oldest)
  }

  #follow(key: string, connection: Connection, side: Side, segment: TcpSegment): void {
    const { observer } = connection
    connection.lastAt = segment.at
    if (!connection.hasConnected && side === 'server') {
      connection.hasConnected = true
      observer.connected(segment.at)
    }
    this.#read(connection, side, this.#take(connection.halves[side], segment), segment.at)
    if (segment.isReset) {
      this.#markGaps(connection)
      observer.reset(side, segment.at)
      this.#drop(key, connection)
    } else if (connection.ended.size === 2) this.#drop(key, connection)
  }

  #take(half: TcpHalf, segment: TcpSegment): HalfStep {
    const before = half.heldOctets
    // A copy: the payload is a slice of a large piece of the file, which must not stay for a line that waits.
    const step = half.take({ ...segment, payload: Buffer.from(segment.payload) })
    this.#heldOctets += half.heldOctets - before
    if (half.heldOctets === 0 || this.#heldOctets <= MOST_HELD_OCTETS) return step
    this.#heldOctets -= half.heldOctets
    half.giveUp()
    return { ...step, isLost: true }
  }

  #read(connection: Connection, side: Side, step: HalfStep, at: number): void {
    const { observer, ended } = connection
    for (const piece of step.pieces) observer.octets(side, piece, at)
    if (step.isLost) observer.lost(side, lossOf(connection, side), at)
    if (!step.hasEnded || ended.has(side)) return
    ended.add(side)
    observer.ended(side, at)
  }

  #forget(key: string, connection: Connection): void {
    this.#markGaps(connection)
    this.#drop(key, connection)
  }

  #drop(key: string, { halves }: Connection): void {
    this.#heldOctets -= halves.client.heldOctets + halves.server.heldOctets
    this.#connections.delete(key)
  }

  #markGaps(connection: Connection): void {
    for (const side of ['client', 'server'] as const) {
      if (connection.halves[side].hasGap)
        connection.observer.lost(side, lossOf(connection, side), connection.lastAt)
    }
  }
}

function lossOf(connection: Connection, side: Side): string {
  return `the capture lacks octets of the ${side} behind its first ${connection.halves[side].octets}: nothing behind them can be read`
}
