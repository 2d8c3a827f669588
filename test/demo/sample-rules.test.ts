import { pino } from 'pino'
import { expect, it } from 'vitest'
import { DEFAULT_RULES } from '../../src/config/defaults.js'
import { runDemo } from '../../src/demo/demo.js'
import { sampleMessages } from '../../src/demo/messages.js'
import { SAMPLE_RULES } from '../../src/demo/sample-rules.js'
import { startProxy } from '../../src/proxy/proxy.js'
import { RulesInForce } from '../../src/proxy/rules-in-force.js'
import { loadRules } from '../../src/rules/rule-set.js'
import { createSessionRules } from '../../src/rules/session-rules.js'
import { Feed } from '../../src/trace/feed.js'
import { SESSION, seen } from '../rules/rules.js'
import { connectClient, logIn } from '../support/pop3-client.js'

it('tags what comes from outside of example.org, and only shows which newsletters it would hide', () => {
  const nothing = { get: () => undefined, set: () => {} }
  const rules = createSessionRules(loadRules([SAMPLE_RULES]), nothing, () => 0)
  expect(rules.sightBeforeListing).toBe('header')
  const hits = new Map<string, string[]>()
  for (const { name, octets } of sampleMessages()) {
    const examined = rules.examine(seen(octets.toString('latin1'), 'header'), SESSION, 'delivery')
    if (examined.type !== 'decided') throw new Error(`${name} is not decided by its header section`)
    expect(examined.verdict.isHidden).toBe(false)
    for (const { rule, mode } of examined.verdict.hits)
      hits.set(`${rule} ${mode}`, [...(hits.get(`${rule} ${mode}`) ?? []), name])
  }
  expect([...hits.keys()].sort()).toEqual(['newsletters shadow', 'tag external senders enforce'])
  expect(hits.get('newsletters shadow')).toHaveLength(1)
  const tagged = hits.get('tag external senders enforce') ?? []
  expect(tagged.length).toBeGreaterThan(10)
  expect(tagged.length).toBeLessThan(sampleMessages().length - 5)
})

it('are at work in the demo, and counted as they hold', async () => {
  const log = pino({ level: 'silent' })
  const places = { workingDirectory: '/', quarantineDirectory: '/nowhere', spoolDirectory: '/nowhere' }
  const rules = await RulesInForce.ofTexts([SAMPLE_RULES], DEFAULT_RULES, places, log)
  const demo = await runDemo({
    log,
    print: () => {},
    startProxy: (settings, demoLog, own) =>
      startProxy(settings, demoLog, { ...own, rules, feed: new Feed(), onKeyLog: null }),
    plainPort: 0,
    tlsPort: 0,
    visitIntervalMs: null,
  })
  try {
    const { client } = await connectClient({ port: demo.plainPort, security: 'plain', ca: '' })
    await logIn(client, { user: 'demo', password: 'demo' })
    const listing = (await client.multiLine('LIST')).content.toString('latin1').split('\r\n')
    const original = sampleMessages()[1]?.octets ?? Buffer.alloc(0)
    const { content } = await client.multiLine('RETR 2')
    expect(content.toString('latin1')).toContain('Subject: [external] Invoice 2026-0117')
    // The termination octet line is no part of the message.
    expect(listing[1]).toBe(`2 ${content.length - 3}`)
    expect(content.length).toBeGreaterThan(original.length)
    expect(await client.command('QUIT')).toMatch(/^\+OK/)
    const counts = rules.hits.counts.map(({ rule, hits, failures }) => ({ rule, hits, failures }))
    expect(counts).toMatchObject([
      { rule: 'tag external senders', failures: 0 },
      { rule: 'newsletters', hits: 1, failures: 0 },
    ])
    expect(counts[0]?.hits).toBeGreaterThan(10)
  } finally {
    await demo.stop()
    await rules.close()
  }
})
