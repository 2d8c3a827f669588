/**
 * What the bench's main process and its two helpers (server and load generator) say to each other over their
 * IPC channels: schemas, and the one way to ask. Knows nothing of what the messages bring about.
 */
import type { ChildProcess } from 'node:child_process'
import { z } from 'zod'
import { EFFECTS, MAILDROP_NAMES } from './maildrop.js'

const sizes = z.object({ middleOctets: z.number(), largeOctets: z.number(), pollMessages: z.number() })

/** Where the load goes. */
const target = z.object({ port: z.number(), tls: z.boolean() })
export type Target = z.infer<typeof target>

/** First message to the server. */
export const ServerSetup = z.object({ sizes, certFile: z.string(), keyFile: z.string() })
export type ServerSetup = z.infer<typeof ServerSetup>

/** Answer of the server to its set-up: its ports on 127.0.0.1. */
export const ServerReady = z.object({ plainPort: z.number(), tlsPort: z.number() })
export type ServerReady = z.infer<typeof ServerReady>

/** What the server saw since it was asked last; any message after the set-up asks. */
export const ServerCounts = z.object({
  tlsConnections: z.number(),
  resumed: z.number(),
  /** TLS versions that were negotiated, e.g. `TLSv1.3`. */
  protocols: z.array(z.string()),
})
export type ServerCounts = z.infer<typeof ServerCounts>

/** First message to the load generator. */
export const ClientSetup = z.object({ sizes, caFile: z.string() })
export type ClientSetup = z.infer<typeof ClientSetup>

/** One piece of work for the load generator. After `deadlineMs` it starts nothing new and finishes what it has begun. */
export const Job = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('sessions'),
    target,
    maildrop: z.enum(MAILDROP_NAMES),
    /** What the subject makes of the mail. */
    effect: z.enum(EFFECTS),
    /** Whether each session is of a user whom the subject has never seen. */
    isOfNewUsers: z.boolean(),
    /** Whether each session asks for LIST and UIDL. */
    lists: z.boolean(),
    sessions: z.number(),
    atOnce: z.number(),
    /** RETR commands of each session, through the maildrop and round again. */
    retrievals: z.number(),
    deadlineMs: z.number(),
  }),
  z.object({
    type: z.literal('ping'),
    /** One session each; they are asked in turn, a slice at a time. */
    targets: z.array(target),
    slices: z.number(),
    commandsPerSlice: z.number(),
    deadlineMs: z.number(),
  }),
  z.object({ type: z.literal('open-idle'), target, sessions: z.number(), deadlineMs: z.number() }),
  z.object({ type: z.literal('close-idle') }),
])
export type Job = z.infer<typeof Job>

/** How a job went. Figures that the job has nothing to do with are 0. */
export const JobOutcome = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('done'),
    sessions: z.number(),
    retrievals: z.number(),
    /** Octets of messages as they arrived and were verified. */
    octets: z.number(),
    seconds: z.number(),
  }),
  z.object({
    type: z.literal('pinged'),
    /** For each target the median time from a NOOP to its reply, or what went wrong instead. */
    results: z.array(z.object({ medianMicroseconds: z.number(), problem: z.string().nullable() })),
  }),
  z.object({ type: z.literal('failed'), problem: z.string() }),
])
export type JobOutcome = z.infer<typeof JobOutcome>

/** Sends a helper one message and resolves with its answer; rejects if it dies or says nothing in time. */
export function ask<Answer>(
  helper: ChildProcess,
  message: object,
  answer: z.ZodType<Answer>,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer)
      helper.off('message', onMessage)
      helper.off('exit', onExit)
      act()
    }
    const onMessage = (raw: unknown): void => {
      const parsed = answer.safeParse(raw)
      settle(() => (parsed.success ? resolve(parsed.data) : reject(parsed.error)))
    }
    const onExit = (code: number | null): void =>
      settle(() => reject(new Error(`a helper process of the bench ended with status ${code}`)))
    const timer = setTimeout(
      () => settle(() => reject(new Error(`no answer from a helper process within ${timeoutMs} ms`))),
      timeoutMs,
    )
    helper.once('message', onMessage)
    helper.once('exit', onExit)
    helper.send(message)
  })
}
