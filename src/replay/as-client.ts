/**
 * Plays a {@link ClientScript} against an address: sends a line, waits for its reply, sends the next. Owns the
 * socket and its deadlines; what was said is seen by the proxy that it is played through.
 */
import { connect, type Socket } from 'node:net'
import type { Limits } from '../pop3/limits.js'
import { type ExpectedOfServer, ReplyDecoder, type ServerEvent } from '../pop3/reply-decoder.js'
import type { ClientScript } from './client-script.js'

/** How far the play came. */
export interface PlayedScript {
  /** Lines that were answered. */
  readonly answered: number
  /** Why it ended before its end; null where it did not. */
  readonly problem: string | null
}

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
  socket.setTimeout(limits.idleMs, () => socket.destroy(new Error('no answer in time')))
  const replies = repliesOf(socket, limits)
  let answered = 0
  try {
    const greeting = await replies.next('greeting')
    if (greeting === null) return { answered, problem: 'the connection ended before the greeting' }
    if (greeting.type !== 'greeting' || greeting.status.indicator === '-ERR') {
      return { answered, problem: 'the greeting is no +OK' }
    }
    for (const { shown, wire, shape } of script.lines) {
      socket.write(wire)
      const reply = await replies.next(shape)
      if (reply === null) return { answered, problem: `the connection ended before ${shown} was answered` }
      answered += 1
    }
    return { answered, problem: null }
  } finally {
    socket.destroy()
  }
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
}

/** Content is looked at for its end and thrown away: the proxy between keeps what is to be kept. */
function repliesOf(socket: Socket, limits: Limits): Replies {
  const decoder = new ReplyDecoder(limits)
  let hasEnded = false
  let wake: () => void = () => {}
  socket.on('data', (octets: Buffer) => {
    decoder.push(octets)
    wake()
  })
  const ended = (): void => {
    hasEnded = true
    wake()
  }
  socket.on('error', ended)
  socket.on('close', ended)
  return {
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
