import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { type Demo, type DemoOptions, runDemo } from '../../src/demo/demo.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { VISITS } from '../../src/demo/visitor.js'
import { startProxy } from '../../src/proxy/proxy.js'
import { Feed } from '../../src/trace/feed.js'
import { connectClient, logIn } from '../support/pop3-client.js'
import { realThing } from '../support/real.js'
import { freePorts, run, until } from '../support/tools.js'

interface Started {
  readonly demo: Demo
  readonly printed: readonly string[]
  readonly logged: readonly string[]
}

let demos: Demo[] = []
let blockers: Server[] = []
afterEach(async () => {
  await Promise.all(demos.map((demo) => demo.stop()))
  for (const blocker of blockers) blocker.close()
  demos = []
  blockers = []
})

async function start(options: Partial<DemoOptions> = {}): Promise<Started> {
  const printed: string[] = []
  const logged: string[] = []
  const demo = await runDemo({
    log: pino({ level: 'debug' }, { write: (line) => logged.push(line) }),
    print: (text) => printed.push(text),
    startProxy: (settings, log, own) =>
      startProxy(settings, log, { ...own, feed: new Feed(), onKeyLog: null }),
    plainPort: 0,
    tlsPort: 0,
    visitIntervalMs: null,
    ...options,
  })
  demos.push(demo)
  return { demo, printed, logged }
}

async function block(port: number): Promise<void> {
  const blocker = createServer()
  blockers.push(blocker)
  await new Promise<void>((resolve, reject) => {
    blocker.once('error', reject)
    blocker.listen(port, '127.0.0.1', resolve)
  })
}

describe('the demo', () => {
  it.each(['plain', 'stls', 'tls'] as const)('gives its mail by %s, octet for octet', async (security) => {
    const { demo } = await start()
    const ca = readFileSync(demo.certificateFile)
    const port = security === 'tls' ? demo.tlsPort : demo.plainPort
    const { client } = await connectClient({ port, security, ca })
    await logIn(client, { user: 'demo', password: 'demo' })
    for (const [index, { octets }] of sampleMessages().entries()) {
      const { content } = await client.multiLine(`RETR ${index + 1}`)
      const stuffed = octets.toString('latin1').replaceAll(/^\./gm, '..')
      expect(content.equals(Buffer.from(`${stuffed}.\r\n`, 'latin1'))).toBe(true)
    }
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
  })

  it('prints one text with the ports, the login, the fingerprint and the end', async () => {
    const { demo, printed } = await start()
    expect(printed).toHaveLength(1)
    const [text = ''] = printed
    expect(text).toContain(`curl -s pop3://127.0.0.1:${demo.plainPort}/1 -u demo:demo`)
    expect(text).toContain(`pop3s://127.0.0.1:${demo.tlsPort}/`)
    expect(text).toContain(`-connect 127.0.0.1:${demo.plainPort}`)
    expect(text).toMatch(/^ +[0-9A-F]{2}(:[0-9A-F]{2}){31}$/m)
    expect(text).toContain('Ctrl-C ends the demo.')
    expect(text).not.toContain('taken')
    for (const line of text.split('\n')) expect(line).toMatch(/^[\x20-\x7e]*$/)
  })

  it.skipIf(!realThing('curl', 'openssl', 'sh'))('prints commands that work as they stand', async () => {
    const { demo, printed } = await start()
    const commands = (printed[0] ?? '').split('\n').filter((line) => /^ +(curl|openssl) /.test(line))
    expect(commands).toHaveLength(5)
    const messages = sampleMessages().map(({ octets }) => octets.toString('latin1'))
    const outputs: string[] = []
    for (const command of commands) {
      const { status, stdout } = await run('sh', ['-c', command], {
        input: command.includes('openssl') ? 'USER demo\nPASS demo\nRETR 1\nQUIT\n' : '',
      })
      expect(status, command).toBe(0)
      outputs.push(stdout.toString('latin1'))
    }
    const [list, first, byStls, byPop3s, byHand] = outputs
    expect(list?.split('\r\n')).toHaveLength(messages.length + 1)
    expect(first).toBe(messages[0])
    expect(byStls).toBe(messages[1])
    expect(byPop3s).toBe(messages[1])
    expect(byHand).toContain(messages[0])
    const [number] = /(?<=Messages from )\d+/.exec(printed[0] ?? '') ?? []
    expect(messages[Number(number) - 1]).toContain('Subject: \x1b[2J')
    expect(demo.plainPort).not.toBe(demo.tlsPort)
  })

  it('takes the next free ports where the preferred ones are taken, and says so', async () => {
    const [port = 0] = await freePorts(1)
    await block(port)
    const { demo, printed } = await start({ plainPort: port, tlsPort: port })
    expect(demo.plainPort).toBeGreaterThan(port)
    expect(demo.tlsPort).toBeGreaterThan(demo.plainPort)
    expect(printed[0]?.match(new RegExp(`\\(${port} is taken by another program`, 'g'))).toHaveLength(2)
  })

  it('tries again where a port is taken between finding it and listening', async () => {
    const [plainPort = 0, tlsPort = 0] = await freePorts(2)
    let starts = 0
    const { demo } = await start({
      plainPort,
      tlsPort,
      startProxy: async (settings, log, own) => {
        starts += 1
        if (starts === 1) await block(plainPort)
        return await startProxy(settings, log, { ...own, feed: new Feed(), onKeyLog: null })
      },
    })
    expect(starts).toBe(2)
    expect(demo.plainPort).not.toBe(plainPort)
  })

  it('leaves nothing behind: no file, no listener, and no key on the disk meanwhile', async () => {
    const { demo } = await start()
    expect(readFileSync(demo.certificateFile, 'latin1')).not.toContain('PRIVATE KEY')
    await demo.stop()
    await demo.stop()
    expect(existsSync(dirname(demo.certificateFile))).toBe(false)
    await block(demo.plainPort)
    await block(demo.tlsPort)
  })

  it('leaves nothing behind where the proxy does not start', async () => {
    let directory = ''
    const failing = start({
      startProxy: async (settings) => {
        directory = settings.authorityDirectory
        throw new Error('no proxy today')
      },
    })
    await expect(failing).rejects.toThrow('no proxy today')
    expect(directory).not.toBe('')
    expect(existsSync(directory)).toBe(false)
  })

  it('lets a visitor come, serves every one of them, and drains', async () => {
    const { demo, printed, logged } = await start({ visitIntervalMs: 5 })
    const visits = () => logged.filter((line) => line.includes('"event":"demo-visit'))
    await until('a round of visits', () => visits().length > VISITS.length, 30_000)
    await demo.drain()
    expect(visits().filter((line) => line.includes('failed'))).toEqual([])
    expect(printed).toHaveLength(1)
    expect(existsSync(dirname(demo.certificateFile))).toBe(false)
    await block(demo.plainPort)
  })
})
