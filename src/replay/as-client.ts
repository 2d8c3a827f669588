/**
 * Plays a {@link ClientScript} against an address: sends a line, waits for its reply, sends the next. Owns the
 * socket and its deadlines; what was said is seen by the proxy that it is played through.
 */
import { connect, type Socket } from 'node:net'
import type { Limits } from '../pop3/limits.js'
import { type ExpectedOfServer, ReplyDecoder, type ServerEvent } from '../pop3/reply-decoder.js'
import { safeText } from '../trace/safe-text.js'
import type { ClientScript } from './client-script.js'

/** How far the play came. */
export interface PlayedScript {
  /** Lines that were answered. */
  readonly answered: number
  /** Why it ended before its end, null where it did not; harmless. */
  readonly problem: PlayProblem | null
}

/** What ended a play. */
export interface PlayProblem {
  /** `no-session`: the server could not be used at all. `no-login`: it did not let the client in. */
  readonly type: 'no-session' | 'no-login' | 'cut-off'
  readonly text: string
}

const SHOWN_CODE_POINTS = 500

/**
 * Plays a script over plain POP3.
 *
 * @param limits `idleMs` is how long a reply may take
 * @throws the system's error where there is no connection
 */
export async function playClient(
  address: { readonly host: string; readonly port: number },
  script: ClientScript,
  limits: Limits,
): Promise<PlayedScript> {
  const socket = await connected(address)
  const replies = repliesOf(socket, limits)
  let answered = 0
  try {
    const greeting = await replies.next('greeting')
    const problem = greetingProblem(greeting, replies)
    if (problem !== null) return { answered, problem }
    for (const { shown, wire, shape, mustLogIn } of script.lines) {
      socket.write(wire)
      const reply = await replies.next(shape)
      if (reply === null) {
        const text = `${replies.ending()} before ${safeText(shown, SHOWN_CODE_POINTS)} was answered`
        return { answered, problem: { type: 'cut-off', text } }
      }
      answered += 1
      if (mustLogIn && reply.type === 'reply' && reply.status.indicator === '-ERR') {
        const text = `the server refused the login: ${shownLine(reply.wire)}`
        return { answered, problem: { type: 'no-login', text } }
      }
    }
    return { answered, problem: null }
  } finally {
    socket.destroy()
  }
}

function greetingProblem(greeting: ServerEvent | null, replies: Replies): PlayProblem | null {
  if (greeting === null) return { type: 'no-session', text: `${replies.ending()} before the greeting` }
  if (greeting.type === 'greeting' && greeting.status.indicator === '+OK') return null
  return { type: 'no-session', text: `there is no session: ${shownLine(greeting.wire)}` }
}

function shownLine(wire: Buffer): string {
  return safeText(wire.toString('utf8').trimEnd(), SHOWN_CODE_POINTS)
}

function connected(address: { readonly host: string; readonly port: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

interface Replies {
  /** The next greeting or complete reply; null where the connection ended before. */
  next(expecting: ExpectedOfServer): Promise<ServerEvent | null>
  /** How the connection ended. */
  ending(): string
}

/** Content is looked at for its end and thrown away: the proxy between keeps what is to be kept. */
function repliesOf(socket: Socket, limits: Limits): Replies {
  const decoder = new ReplyDecoder(limits)
  let hasEnded = false
  let ending = 'the connection ended'
  let wake: () => void = () => {}
  socket.on('data', (octets: Buffer) => {
    decoder.push(octets)
    wake()
  })
  socket.setTimeout(limits.idleMs, () => {
    ending = `nothing came for ${Math.round(limits.idleMs / 1_000)} s`
    socket.destroy()
  })
  const ended = (): void => {
    hasEnded = true
    wake()
  }
  socket.on('error', ended)
  socket.on('close', ended)
  return {
    ending: () => ending,
    async next(expecting) {
      let first: ServerEvent | null = null
      for (;;) {
        const event = decoder.next(expecting)
        if (event === null) {
          if (hasEnded) return null
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        } else if (event.type === 'reply' && event.hasContent) first = event
        else if (event.type === 'content-end') return first ?? event
        else if (event.type !== 'content' && event.type !== 'unsolicited') return event
      }
    },
  }
}
