import { connect as connectTcp, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type MaildropServer, startMaildropServer } from '../../src/demo/maildrop-server.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { pay, startVisitors, type Targets, VISITS, type Visit } from '../../src/demo/visitor.js'
import { testAuthority } from '../support/certificates.js'
import { until } from '../support/tools.js'

const authority = testAuthority()
const leaf = authority.issue({ names: ['localhost'] })
const ACCOUNT = { user: 'amara', password: 'under the blue pot' }

let server: MaildropServer
let received: string[] = []
let targets: Targets
// One maildrop behind two listeners, as behind postern: TLS is taken off and the rest piped to the plain server.
const sockets = new Set<Socket>()
const pop3s = createTlsServer({ key: leaf.key, cert: leaf.chain, ALPNProtocols: ['pop3'] }, (client) => {
  const upstream = connectTcp(server.port, '127.0.0.1')
  for (const socket of [client, upstream]) {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      client.destroy()
      upstream.destroy()
    })
  }
  client.pipe(upstream).pipe(client)
})

beforeAll(async () => {
  server = await startMaildropServer({
    security: 'plain',
    tls: { key: leaf.key, cert: leaf.chain },
    users: new Map([[ACCOUNT.user, ACCOUNT.password]]),
    messages: sampleMessages().map(({ octets }) => octets),
    onReceived: (octets) => received.push(octets.toString('latin1')),
  })
  await new Promise<void>((resolve) => pop3s.listen(0, '127.0.0.1', resolve))
  const address = pop3s.address()
  const common = { host: '127.0.0.1', ca: authority.cert, serverName: 'localhost' }
  targets = {
    plain: { ...common, port: server.port, security: 'plain' },
    pop3s: {
      ...common,
      port: address !== null && typeof address === 'object' ? address.port : 0,
      security: 'tls',
    },
  }
})

afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  pop3s.close()
  await server.close()
})

async function visited(visit: Visit, turn: number): Promise<string> {
  received = []
  await pay(visit, { targets, account: ACCOUNT, turn })
  await until('the server to forget the visitor', () => server.openConnections === 0)
  return received.join('')
}

describe('the visitors', () => {
  it.each(VISITS)('$name: is served, whatever its turn, and takes nothing away', async (visit) => {
    for (const turn of [0, 7, 33]) await visited(visit, turn)
    expect(server.messagesOf(ACCOUNT.user)).toHaveLength(sampleMessages().length)
    expect(server.isLocked(ACCOUNT.user)).toBe(false)
  })

  it('speak as the programs do that they are named after', async () => {
    const dialogues = new Map<string, string>()
    for (const visit of VISITS) dialogues.set(visit.name.split(/[:,]/)[0] ?? '', await visited(visit, 2))
    expect(dialogues.get('like curl')).toMatch(/^CAPA\r\nAUTH PLAIN \S+\r\nSTAT\r\nRETR 11\r\nQUIT\r\n$/)
    expect(dialogues.get('like fetchmail')).toContain('TOP 11 99999999\r\n')
    expect(dialogues.get('like mpop')).toContain('RETR 11\r\nRETR 10\r\nRETR 9\r\n')
    expect(dialogues.get('upgrades by STLS')).toMatch(/^CAPA\r\nSTLS\r\nCAPA\r\nUSER /)
    expect(dialogues.get('POP3S')).toMatch(/^CAPA\r\nAUTH PLAIN\r\n\S+\r\nSTAT\r\n/)
    expect(dialogues.get('mistypes the password')).toMatch(/PASS top [^\r]*\?\r\nUSER amara\r\nPASS under/)
    expect(dialogues.get('marks a message as deleted and vanishes')).toMatch(/DELE 11\r\n$/)
    expect(dialogues.get('comes twice at once')?.match(/PASS under the blue pot/g)).toHaveLength(2)
  })

  it('pipeline in one piece where they do', async () => {
    const mpop = VISITS.find(({ name }) => name.includes('mpop'))
    if (mpop === undefined) throw new Error('nobody pipelines')
    await visited(mpop, 2)
    expect(received).toContain('RETR 11\r\nRETR 10\r\nRETR 9\r\nRETR 8\r\nRETR 7\r\nRETR 6\r\n')
  })

  it('say what was not as they expected', async () => {
    const stranger = { user: 'mallory', password: 'nothing' }
    const [visit] = VISITS
    if (visit === undefined) throw new Error('no visits')
    await expect(pay(visit, { targets, account: stranger, turn: 0 })).rejects.toThrow(
      'AUTH was answered by -ERR (wrong user name or password), not by +OK',
    )
    const nowhere = { ...targets, plain: { ...targets.plain, port: 1 } }
    await expect(pay(visit, { targets: nowhere, account: ACCOUNT, turn: 0 })).rejects.toThrow('ECONNREFUSED')
  })

  it('come one after the other, each once, and go when they are told', async () => {
    const lines: string[] = []
    const log = pino({ level: 'debug' }, { write: (line) => lines.push(line) })
    const visitors = startVisitors({ targets, accounts: [ACCOUNT], intervalMs: 1, log })
    await until('a whole round of visits', () => lines.length >= VISITS.length)
    await visitors.stop()
    const visits: readonly unknown[] = lines.map((line) => JSON.parse(line))
    expect(visits.slice(0, VISITS.length)).toEqual(
      VISITS.map(({ name }) => expect.objectContaining({ event: 'demo-visit', level: 20, visit: name })),
    )
    const count = lines.length
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(lines).toHaveLength(count)
    expect(lines.join('')).not.toContain(ACCOUNT.password)
  })

  it('stop at once while a visit hangs, without a word about it', async () => {
    const silent = createTlsServer({ key: leaf.key, cert: leaf.chain })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const lines: string[] = []
    const log = pino({ level: 'debug' }, { write: (line) => lines.push(line) })
    let connections = 0
    silent.on('connection', () => {
      connections += 1
    })
    // Time stands still but for the moment in which the visitor sets out: no visit ends because it takes too long.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => {
      vi.useRealTimers()
      silent.close()
    })
    const visitors = startVisitors({
      targets: { plain: { ...targets.plain, port }, pop3s: { ...targets.pop3s, port } },
      accounts: [ACCOUNT],
      intervalMs: 1,
      log,
    })
    vi.advanceTimersByTime(1)
    await until('a visitor', () => connections > 0)
    await visitors.stop()
    expect(lines).toEqual([])
  })
})
