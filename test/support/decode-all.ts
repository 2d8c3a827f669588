/**
 * Runs a decoder over pieces until it has no more to give, and writes what it gave as plain values that compare:
 * octets as Latin-1 text, secrets opened, adjacent content joined. Used by the codec's tests, its properties and
 * its fuzzer.
 */
import type { Command } from '../../src/pop3/command.js'
import { type ClientEvent, CommandDecoder, type ExpectedOfClient } from '../../src/pop3/command-decoder.js'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { type ExpectedOfServer, ReplyDecoder, type ServerEvent } from '../../src/pop3/reply-decoder.js'
import { declassify, Secret } from '../../src/pop3/secret.js'

/** What is expected before each event that is not content; the last one holds for all that follow. */
export type Script<Expected> = readonly [Expected, ...Expected[]]

/** A decoded event as plain values. */
export type Plain = Readonly<Record<string, unknown>>

export interface Decoding<Event> {
  /** Events as they came, for a look at the real thing. */
  readonly raw: readonly Event[]
  /** Events as plain values, adjacent content joined. */
  readonly events: readonly Plain[]
  /** What `takeUndecoded` gave at the end, Latin-1. */
  readonly rest: string
  /** All `wire` and the rest, concatenated. */
  readonly wire: Buffer
  /** The most octets that were undecoded after pulling everything. */
  readonly mostUndecoded: number
}

export interface ClientRun {
  readonly expecting?: Script<ExpectedOfClient>
  readonly limits?: Limits
  readonly multiLineVerbs?: readonly string[]
  /** Pulls no more than so many events; the rest is taken undecoded. */
  readonly mostEvents?: number
}

/** Decodes a client's octets to the end. */
export function decodeClient(pieces: readonly Buffer[], run: ClientRun = {}): Decoding<ClientEvent> {
  const decoder = new CommandDecoder(run.limits ?? DEFAULT_LIMITS, new Set(run.multiLineVerbs ?? []))
  return decodeAll(decoder, pieces, run.expecting ?? ['command'], run.mostEvents)
}

export interface ServerRun {
  readonly expecting?: Script<ExpectedOfServer>
  readonly limits?: Limits
  /** Pulls no more than so many events; the rest is taken undecoded. */
  readonly mostEvents?: number
}

/** Decodes a server's octets to the end. */
export function decodeServer(pieces: readonly Buffer[], run: ServerRun = {}): Decoding<ServerEvent> {
  const decoder = new ReplyDecoder(run.limits ?? DEFAULT_LIMITS)
  return decodeAll(decoder, pieces, run.expecting ?? ['single-line'], run.mostEvents)
}

/** The part of a decoding that no split may change. */
export function outcomeOf(decoding: Decoding<ClientEvent | ServerEvent>): {
  readonly events: readonly Plain[]
  readonly rest: string
} {
  return { events: decoding.events, rest: decoding.rest }
}

interface Decoder<Event, Expected> {
  readonly undecodedOctets: number
  push(octets: Buffer): void
  next(expecting: Expected): Event | null
  takeUndecoded(): Buffer
}

function decodeAll<Event extends ClientEvent | ServerEvent, Expected>(
  decoder: Decoder<Event, Expected>,
  pieces: readonly Buffer[],
  script: Script<Expected>,
  mostEvents: number = Number.POSITIVE_INFINITY,
): Decoding<Event> {
  const raw: Event[] = []
  let step = 0
  let mostUndecoded = 0
  for (const piece of pieces) {
    decoder.push(piece)
    while (raw.length < mostEvents) {
      const event = decoder.next(script[Math.min(step, script.length - 1)] ?? script[0])
      if (event === null) break
      raw.push(event)
      if (event.type !== 'content') step += 1
    }
    if (raw.length < mostEvents) mostUndecoded = Math.max(mostUndecoded, decoder.undecodedOctets)
  }
  const rest = decoder.takeUndecoded()
  return {
    raw,
    events: joinContent(raw.map(plain)),
    rest: rest.toString('latin1'),
    wire: Buffer.concat([...raw.map((event) => event.wire), rest]),
    mostUndecoded,
  }
}

/** Writes an event as plain values, secrets opened; a command keeps its verb for its grammar. */
export function plain(event: ClientEvent | ServerEvent): Plain {
  const values: Record<string, unknown> = { ...event, wire: event.wire.toString('latin1') }
  if (event.type === 'command') values.command = plainCommand(event.command)
  if (event.type === 'sasl-response') values.response = opened(event.response)
  if (event.type === 'sasl-challenge') values.challenge = opened(event.challenge)
  return values
}

/** Writes a command as plain values, its secret opened. */
export function plainCommand(command: Command): Plain {
  return { ...command, secret: opened(command.secret), grammar: command.grammar.verb }
}

/** Opens a secret as Latin-1 text; null stays null. */
export function opened(secret: Secret | null): string | null {
  return secret instanceof Secret ? declassify(secret).toString('latin1') : null
}

function joinContent(events: readonly Plain[]): readonly Plain[] {
  const joined: Plain[] = []
  for (const event of events) {
    const before = joined[joined.length - 1]
    if (event.type === 'content' && before?.type === 'content') {
      joined[joined.length - 1] = { ...before, wire: `${before.wire}${event.wire}` }
    } else joined.push(event)
  }
  return joined
}
