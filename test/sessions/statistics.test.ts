import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram } from '../../src/sessions/histogram.js'
import { SecondsRing } from '../../src/sessions/seconds-ring.js'
import { STATISTICS_SECONDS, Statistics } from '../../src/sessions/statistics.js'
import { loggedIn, Script, START } from './script.js'

function of(...scripts: readonly Script[]): Statistics {
  const statistics = new Statistics()
  for (const { events } of scripts) for (const event of events) statistics.add(event)
  return statistics
}

describe('Statistics', () => {
  it('counts octets and sessions in the second they belong to', () => {
    const statistics = of(new Script('a').opened(), new Script('b').opened())
    const command = new Script('a', START + 999).command('NOOP')
    for (const event of command.events) statistics.add(event)
    statistics.tick(START + 3_000)
    expect(statistics.sessionsOpened).toHaveLength(STATISTICS_SECONDS)
    expect(statistics.sessionsOpened.slice(-5)).toEqual([0, 2, 0, 0, 0])
    expect(statistics.towardServer.slice(-5)).toEqual([0, 0, 6, 0, 0])
  })

  it('counts toward the client what replies and content have of octets', () => {
    const statistics = of(loggedIn().exchange('RETR 1', '+OK', 'abc\r\n'))
    const total = statistics.towardClient.reduce((sum, octets) => sum + octets, 0)
    expect(total).toBe('+OK ready\r\n+OK\r\n+OK\r\n+OK\r\nabc\r\n.\r\n'.length)
  })

  it('knows how many sessions are open, and how many were at most', () => {
    const statistics = of(loggedIn('a'), loggedIn('b'), loggedIn('c').quit(), new Script('b').closed('idle'))
    expect([statistics.open, statistics.peak, statistics.sessions]).toEqual([1, 3, 3])
    expect(statistics.closed).toEqual([
      { name: 'idle', count: 1 },
      { name: 'quit', count: 1 },
    ])
  })

  it('takes latencies by verb, of the server alone', () => {
    const script = loggedIn()
    for (let each = 1; each <= 100; each += 1) script.exchange('STAT', '+OK 0 0', null, { afterMs: each })
    script.exchange('STLS', '+OK', null, { source: 'postern' })
    const { latencies } = of(script)
    expect(latencies.map(({ verb }) => verb)).toEqual(['STAT', 'USER', 'PASS'])
    const [stat] = latencies
    expect(stat?.count).toBe(100)
    expect(Math.abs((stat?.p50 ?? 0) - 50) / 50).toBeLessThan(0.05)
    expect(Math.abs((stat?.p99 ?? 0) - 99) / 99).toBeLessThan(0.05)
  })

  it('counts errors by what a person would look for', () => {
    const script = loggedIn().exchange('DELE 9', '-ERR no').exchange('DELE 9', '-ERR no')
    script.refused('-ERR [IN-USE] busy').failure('server', 'POSTERN_SERVER_CLOSED', 'gone')
    expect(of(script, new Script('b').opened().greeting('-ERR full')).errors).toEqual([
      { name: '-ERR to DELE', count: 2 },
      { name: '-ERR in greeting', count: 1 },
      { name: 'POSTERN_SERVER_CLOSED', count: 1 },
      { name: '[IN-USE]', count: 1 },
    ])
  })

  it('tells sessions without TLS from those with it, on each leg', () => {
    const statistics = of(
      new Script('a').opened().tls('server').greeting().quit(),
      new Script('b').opened().tls('client').closed('client-left'),
    )
    expect(statistics.tlsVersions('client')).toEqual([
      { name: 'TLSv1.3', count: 1 },
      { name: 'none', count: 1 },
    ])
    expect(statistics.tlsVersions('server')).toEqual([{ name: 'TLSv1.3', count: 1 }])
  })

  it("counts the client's commands, breakpoint hits and anomalies", () => {
    const script = loggedIn().command('NOOP', 'watcher').exchange('NOOP')
    script.tell({ type: 'held', hold: 'h', number: 4, kind: 'reply', breakpoint: 'errors > 0', releaseAt: 0 })
    script.tell({ type: 'anomaly', side: 'client', number: 4, anomaly: 'padded-command', octets: null })
    const statistics = of(script)
    expect(statistics.commands.find(({ name }) => name === 'NOOP')?.count).toBe(1)
    expect(statistics.breakpointHits).toEqual([{ name: 'errors > 0', count: 1 }])
    expect(statistics.anomalies).toEqual([{ name: 'padded-command', count: 1 }])
  })

  it('keeps no more names than a person could read, whatever codes a server invents', () => {
    const script = new Script().opened()
    for (let each = 0; each < 1_000; each += 1) script.exchange('STAT', `-ERR [X${each}] no`)
    const { errors } = of(script)
    expect(errors.length).toBeLessThanOrEqual(201)
    expect(errors.reduce((sum, { count }) => sum + count, 0)).toBe(1_000)
    expect(errors[0]).toEqual({ name: 'other', count: 800 })
  })
})

describe('Histogram', () => {
  it('is at most 5 % off for any durations from a tenth of a millisecond to an hour', () => {
    const durations = fc.array(fc.double({ min: 0.2, max: 3_500_000, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(durations, fc.constantFrom(0.5, 0.9, 0.99), (values, part) => {
        const histogram = new Histogram()
        for (const value of values) histogram.add(value)
        const exact = values.toSorted((one, two) => one - two)[Math.ceil(part * values.length) - 1] ?? 0
        expect(Math.abs(histogram.percentile(part) - exact) / exact).toBeLessThan(0.05)
      }),
    )
  })

  it('takes what is too short, too long or no number at all', () => {
    const histogram = new Histogram()
    expect(histogram.percentile(0.5)).toBe(0)
    for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) histogram.add(value)
    expect(histogram.count).toBe(4)
    expect(histogram.percentile(0.5)).toBe(0)
    expect(histogram.percentile(1)).toBeGreaterThan(3_000_000)
  })
})

describe('SecondsRing', () => {
  it('forgets what is too long ago, in small steps and in one', () => {
    const ring = new SecondsRing(3)
    expect(ring.values).toEqual([0, 0, 0])
    ring.add(10_000, 1)
    ring.add(11_500, 2)
    expect(ring.values).toEqual([0, 1, 2])
    ring.tick(13_000)
    expect(ring.values).toEqual([2, 0, 0])
    ring.add(11_999, 5)
    expect(ring.values).toEqual([7, 0, 0])
    ring.add(10_000, 9)
    expect(ring.values).toEqual([7, 0, 0])
    ring.tick(99_000)
    expect(ring.values).toEqual([0, 0, 0])
  })
})
