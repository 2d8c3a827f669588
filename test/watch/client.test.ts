import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectWatcher } from '../../src/watch/client.js'
import type { FromProxy } from '../../src/watch/protocol.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const WISHES = { messageOctets: 0, log: true }
const HELLO =
  '{"type":"hello","version":1,"program":"postern 1.2.3","pid":7,"startedAt":1,"addresses":[],"isFace":false}\n'

let directory: TemporaryDirectory
let path: string
let server: Server | null
let heard: string
let sockets: Socket[]

beforeEach(() => {
  directory = temporaryDirectory('watch-client')
  path = join(directory.path, 'socket')
  server = null
  heard = ''
  sockets = []
})

afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server?.close()
  directory.remove()
})

/** Something that answers like a proxy, or not. */
async function answering(answer: (socket: Socket) => void): Promise<void> {
  const listening = createServer((socket) => {
    sockets.push(socket)
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text
    })
    answer(socket)
  })
  server = listening
  await new Promise<void>((resolve) => listening.listen(path, resolve))
}

describe('a watcher', () => {
  it('says what it wants first', async () => {
    await answering((socket) => socket.write(HELLO))
    const connection = await connectWatcher({ path }, WISHES)
    await until('the wish', () => heard.includes('\n'))
    expect(JSON.parse(heard)).toEqual({ type: 'watch', version: 1, messageOctets: 0, log: true })
    connection.send({ type: 'edit', id: '1', hold: 'h', octets: Buffer.from([0, 255]) })
    await until('the edit', () => heard.includes('edit'))
    expect(JSON.parse(heard.split('\n')[1] ?? '')).toEqual({
      type: 'edit',
      id: '1',
      hold: 'h',
      octets: 'AP8=',
    })
    connection.close()
  })

  it('gets what came before anybody listened, and all else in order', async () => {
    await answering((socket) => {
      socket.write(`${HELLO}{"type":"snapshot-end"}\n{"type":"done","id":"1","problem":null}\n`)
    })
    const connection = await connectWatcher({ path }, WISHES)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const messages: FromProxy[] = []
    connection.onMessage((message) => messages.push(message))
    sockets[0]?.write('{"type":"done","id":"2","problem":null}\n')
    await until('all three', () => messages.length === 3)
    expect(messages.map((message) => ('id' in message ? message.id : message.type))).toEqual([
      'snapshot-end',
      '1',
      '2',
    ])
    connection.close()
  })

  it('passes over what it does not understand', async () => {
    await answering((socket) => {
      socket.write(`${HELLO}no json\n{"type":"foretold"}\n{"type":"snapshot-end"}\n`)
    })
    const connection = await connectWatcher({ path }, WISHES)
    const messages: FromProxy[] = []
    connection.onMessage((message) => messages.push(message))
    await until('the last', () => messages.length > 0)
    expect(messages).toEqual([{ type: 'snapshot-end' }])
    connection.close()
  })

  it.each([
    ['says so', '{"type":"ending"}\n', null],
    ['just goes', '', 'the proxy is gone without a word'],
  ])('learns that the proxy ended, which %s', async (_, words, problem) => {
    await answering((socket) => socket.write(HELLO))
    const connection = await connectWatcher({ path }, WISHES)
    let closed: string | null | undefined
    connection.onMessage(() => {})
    connection.onClosed((told) => {
      closed = told
    })
    sockets[0]?.end(words)
    await until('the end', () => closed !== undefined)
    expect(closed).toBe(problem)
  })
})

describe('nobody to watch', () => {
  it('is said where there is no socket', async () => {
    await expect(connectWatcher({ path }, WISHES)).rejects.toThrow(/does not exist: is postern running/)
  })

  it('is said where the proxy refuses', async () => {
    await answering((socket) => socket.end('{"type":"done","id":"","problem":"16 watchers are attached"}\n'))
    await expect(connectWatcher({ path }, WISHES)).rejects.toThrow('16 watchers are attached')
  })

  it('is said where somebody else listens there', async () => {
    await answering((socket) => socket.end('+OK POP3 ready\r\n'))
    await expect(connectWatcher({ path }, WISHES)).rejects.toThrow(
      'closed the connection before it said hello',
    )
  })

  it('is said where the proxy speaks another version', async () => {
    await answering((socket) => socket.write(HELLO.replace('"version":1', '"version":2')))
    await expect(connectWatcher({ path }, WISHES)).rejects.toThrow(
      'postern 1.2.3 speaks version 2 of the watch protocol and this postern version 1: use the same postern on both sides',
    )
  })
})
