import { readdirSync, readlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/pop3/limits.js'
import { Connection } from '../../src/proxy/connection.js'
import { SpoolFolder } from '../../src/proxy/spool-files.js'
import { HoldingRoom } from '../../src/relay/holding-room.js'
import { NO_INTERCEPTOR } from '../../src/relay/interception.js'
import type { MaildropAnswer } from '../../src/relay/maildrop.js'
import { NO_ATTENTION } from '../../src/trace/event.js'
import { ModelRules } from '../support/model-maildrop.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const MIB = 1_048_576
const LINES = 'QUJD'.repeat(19)
const HEADER =
  'Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na cat\r\n--b\r\nContent-Type: image/png\r\n\r\n'

const closing: (() => void)[] = []
let directory: TemporaryDirectory

beforeEach(() => {
  directory = temporaryDirectory('connection-spool')
})

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
  directory.remove()
})

/** Counts what is read of files, and can keep what is written waiting. */
class CountingFolder extends SpoolFolder {
  read = 0
  written = 0
  /** Octets that may be written before the disk takes no more. */
  takes = Number.POSITIVE_INFINITY

  override async open(): Promise<FileHandle> {
    const file = await super.open()
    const read = file.read.bind(file)
    const write = file.writeFile.bind(file)
    const count = (octets: number): void => {
      this.read += octets
    }
    const mayWrite = async (octets: number): Promise<void> => {
      this.written += octets
      if (this.written > this.takes) await new Promise<void>((resolve) => closing.push(resolve))
    }
    Object.assign(file, {
      async read(...[buffer, offset, length, position]: [Buffer, number, number, number]) {
        count(length)
        return await read(buffer, offset, length, position)
      },
      async writeFile(octets: Buffer) {
        await mayWrite(octets.length)
        await write(octets)
      },
    })
    return file
  }
}

async function listen(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, accept)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** A session before a server with one message. @param sight of the rule that changes its text */
async function session(octets: number, sight: 'message' | 'judge' = 'message') {
  const message = `${HEADER}${`${LINES}\r\n`.repeat(octets / 78)}--b--\r\n`
  const folder = new CountingFolder(join(directory.path, 'spool'))
  const room = new HoldingRoom()
  const asked: (() => void)[] = []
  let serverSocket: Socket | null = null
  const serverPort = await listen((socket) => {
    serverSocket = socket
    closing.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.write('+OK ready\r\n')
    socket.on('data', (data) => {
      for (const line of data.toString('latin1').split('\r\n').slice(0, -1)) {
        if (line === 'LIST') socket.write(`+OK\r\n1 ${message.length}\r\n.\r\n`)
        else if (line === 'UIDL') socket.write('+OK\r\n1 a\r\n.\r\n')
        else if (line === 'CAPA') socket.write('+OK\r\nPIPELINING\r\n.\r\n')
        else if (line.startsWith('RETR')) socket.write(`+OK ${message.length} octets\r\n${message}.\r\n`)
        else socket.write('+OK\r\n')
      }
    })
  })
  const rules = new ModelRules([{ octets: message, uniqueId: 'a', fate: { kind: 'body', sight } }])
  const port = await listen((socket) => {
    const connection = new Connection(socket, {
      relay: {
        sessionId: 's1',
        service: 'test',
        listener: 'pop3://127.0.0.1:1110',
        client: 'c',
        server: 's',
        clientLeg: { security: 'plain', offersStls: false },
        serverLeg: 'plain',
        limits: { ...DEFAULT_LIMITS, heldMessageOctets: 100_000 },
        multiLineVerbs: new Set(),
        showsUserNames: true,
        attention: NO_ATTENTION,
        interceptor: NO_INTERCEPTOR,
        rules,
        keepsClientAlive: true,
        spool: { room },
      },
      serverHost: '127.0.0.1',
      serverPort,
      clientTls: null,
      serverTls: null,
      spoolFolder: folder,
      onTrace: () => {},
      onHold: () => {},
      onUnhold: () => {},
      onSendAnswered: () => {},
      ask: async (_, source): Promise<MaildropAnswer> => {
        await new Promise<void>((resolve) => asked.push(resolve))
        let length = 0
        for await (const piece of source.pieces()) length += piece.length
        const answer = { verdict: String(length), score: null, finding: '' }
        return { type: 'judged', answers: new Map([['judge', answer]]) }
      },
      onNotify: () => {},
      onClosed: () => {},
      onKeyLog: null,
    })
    closing.push(() => connection.destroy())
    connection.start()
  })
  const client = connect(port, '127.0.0.1')
  closing.push(() => client.destroy())
  client.write('USER a\r\nPASS b\r\n')
  const server = (): Socket => {
    if (serverSocket === null) throw new Error('the server was not reached')
    return serverSocket
  }
  return { client, folder, room, message, asked, server }
}

/** Files within a folder that this process has open. */
function openIn(folder: string): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(join('/proc/self/fd', descriptor)).startsWith(folder)
    } catch {
      return false
    }
  }).length
}

/** Resolves once a count has not changed for a while: what can go on has gone on. */
async function settled(count: () => number): Promise<number> {
  let before = -1
  let same = 0
  await until('a count to settle', () => {
    same = count() === before ? same + 1 : 0
    before = count()
    return same > 20
  })
  return before
}

function taken(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength
}

describe('a connection whose message lies in a file', () => {
  test('delivers it changed, and closes the file', async () => {
    const { client, room, message } = await session(2 * MIB)
    let got = ''
    client.on('data', (octets) => {
      got += octets.toString('latin1')
    })
    client.write('RETR 1\r\nQUIT\r\n')
    await until('the end', () => got.endsWith('.\r\n+OK\r\n'))
    const changed = message.replace('cat', 'tiger')
    const begin = `+OK ${changed.length} octets\r\n`
    expect(got.slice(got.indexOf(begin))).toBe(`${begin}${changed}.\r\n+OK\r\n`)
    expect(room.taken).toBe(0)
  })

  test('reads no more of it than the client takes', async () => {
    const { client, folder, message } = await session(60 * MIB)
    client.write('RETR 1\r\n')
    await until('the first octets', () => folder.read > 0)
    const read = await settled(() => folder.read)
    // Between the two are the buffers of two sockets.
    expect(read).toBeLessThan(30 * MIB)
    client.resume()
    await until('all of it', () => folder.read > message.length - 200_000)
  }, 60_000)

  test('takes no more from the server than the disk does', async () => {
    const { client, folder, server } = await session(60 * MIB)
    folder.takes = MIB
    client.write('RETR 1\r\n')
    await until('the first octets', () => folder.written > 0)
    expect(await settled(() => taken(server()))).toBeLessThan(30 * MIB)
  }, 60_000)

  test('lets a judge read on when the client has gone, and closes the file then', async () => {
    const { client, folder, asked, message } = await session(2 * MIB, 'judge')
    client.write('LIST\r\n')
    await until('the question', () => asked.length > 0)
    client.destroy()
    await settled(() => folder.written)
    asked[0]?.()
    await until('the judge', () => folder.read >= message.length)
    await until('the file to be closed', () => openIn(folder.directory) === 0)
  })
})
