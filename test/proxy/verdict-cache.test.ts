import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VERDICT_CACHE_LIMITS, VerdictCache, VerdictCacheError } from '../../src/proxy/verdict-cache.js'
import { run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { keptLog } from './bench.js'

let place: TemporaryDirectory
let file: string
let opened: VerdictCache[]

beforeEach(() => {
  opened = []
  place = temporaryDirectory('verdicts')
  file = join(place.path, 'state', 'verdicts.jsonl')
})
afterEach(async () => {
  for (const cache of opened) await cache.close()
  place.remove()
})

async function open(limits = {}): Promise<VerdictCache> {
  const cache = await VerdictCache.open(file, keptLog().log, { ...VERDICT_CACHE_LIMITS, ...limits })
  opened.push(cache)
  return cache
}

async function failure(): Promise<VerdictCacheError> {
  const error = await open().catch((reason: unknown) => reason)
  if (error instanceof VerdictCacheError) return error
  throw new Error(`expected a VerdictCacheError, found ${error}`)
}

describe('a cache of verdicts', () => {
  it('gives back what was set, and nobody can change what is shared', () => {
    const cache = VerdictCache.inMemory(keptLog().log)
    const value = { hits: [{ rule: 'a' }], octets: 7 }
    cache.set('bob 1', value)
    value.hits.push({ rule: 'b' })
    expect(cache.get('bob 1')).toEqual({ hits: [{ rule: 'a' }], octets: 7 })
    Object.assign(Object(cache.get('bob 1')), { octets: 8 })
    expect(cache.get('bob 1')).toEqual({ hits: [{ rule: 'a' }], octets: 7 })
    expect(cache.get('bob 2')).toBeUndefined()
    cache.set('bob 1', null)
    expect(cache.get('bob 1')).toBeNull()
  })

  it('holds as many entries as it may and not one more: the one unused for longest goes', () => {
    const cache = VerdictCache.inMemory(keptLog().log, { ...VERDICT_CACHE_LIMITS, entries: 2 })
    cache.set('a', 1)
    cache.set('b', 2)
    expect(cache.get('a')).toBe(1)
    cache.set('c', 3)
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3])
  })

  it('holds as many octets as it may and not one more', () => {
    const line = Buffer.byteLength(`{"key":"${'k'.repeat(43)}","value":"${'x'.repeat(100)}"}\n`)
    const cache = VerdictCache.inMemory(keptLog().log, { ...VERDICT_CACHE_LIMITS, octets: 3 * line })
    for (const key of ['a', 'b', 'c']) cache.set(key, 'x'.repeat(100))
    expect(cache.counts).toMatchObject({ entries: 3, octets: 3 * line })
    cache.set('c', 'x'.repeat(101))
    expect(cache.counts).toMatchObject({ entries: 2, octets: 2 * line + 1 })
    expect(cache.get('a')).toBeUndefined()
  })

  it('forgets what is longer than an entry may be, or that JSON cannot say', async () => {
    const room = 1_000 - Buffer.byteLength(`{"key":"${'k'.repeat(43)}","value":""}\n`)
    const cache = await open({ entryOctets: 1_000 })
    cache.set('a', 'x'.repeat(room))
    expect(cache.get('a')).toBe('x'.repeat(room))
    cache.set('a', 'x'.repeat(room + 1))
    expect(cache.get('a')).toBeUndefined()
    cache.set('b', 1)
    cache.set('b', undefined)
    cache.set('c', 1)
    cache.set('c', 1n)
    expect(cache.counts.entries).toBe(0)
    await cache.close()
    expect((await open()).counts.entries).toBe(0)
  })
})

describe('a cache in a file', () => {
  it('is there again after a restart, in a file for its owner alone that holds no names', async () => {
    const cache = await open()
    cache.set('default\0bob@example.org\0uid-1', { hits: [], octets: 1_234 })
    await cache.close()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const text = readFileSync(file, 'utf8')
    expect(text).toMatch(/^\{"postern":"verdicts","version":1\}\n\{"key":"[\w-]{43}","value":\{/)
    expect(text).not.toContain('bob')
    const again = await open()
    expect(again.get('default\0bob@example.org\0uid-1')).toEqual({ hits: [], octets: 1_234 })
    await again.close()
  })

  it('is written while sessions go on, not only at the end', async () => {
    const cache = await open()
    cache.set('a', 'remembered')
    await until('the entry to be in the file', () => readFileSync(file, 'utf8').includes('remembered'))
    await cache.close()
    cache.set('b', 'too late for the file')
    expect(cache.get('b')).toBe('too late for the file')
    expect(readFileSync(file, 'utf8')).not.toContain('too late')
  })

  it('gives the same as one in memory, whatever is set and however often it is opened again', async () => {
    let round = 0
    const step = fc.oneof(
      fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'ü\n"'), fc.jsonValue({ maxDepth: 2 })),
      fc.constant('reopen' as const),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        round += 1
        file = join(place.path, `round-${round}`)
        const limits = { entries: 3 }
        const model = VerdictCache.inMemory(keptLog().log, { ...VERDICT_CACHE_LIMITS, ...limits })
        let cache = await open(limits)
        for (const [at, each] of steps.entries()) {
          if (each === 'reopen') {
            await cache.close()
            cache = await open(limits)
          } else {
            // Each value is another: what is set again as it was is not written again, and so is older in the file.
            const [key, value] = each
            model.set(key, { at, value })
            cache.set(key, { at, value })
          }
        }
        await cache.close()
        cache = await open(limits)
        for (const key of ['a', 'b', 'c', 'd', 'e', 'ü\n"']) expect(cache.get(key)).toEqual(model.get(key))
        await cache.close()
      }),
      { numRuns: 30 },
    )
  })

  it('gives the last value or none where the same is set again and again', async () => {
    let round = 0
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom(null, 1))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        round += 1
        file = join(place.path, `again-${round}`)
        const limits = { entries: 3 }
        const cache = await open(limits)
        for (const each of steps) cache.set(...each)
        await cache.close()
        const again = await open(limits)
        const last = new Map<string, unknown>(steps)
        const kept = ['a', 'b', 'c', 'd', 'e'].filter((key) => again.get(key) !== undefined)
        for (const key of kept) expect(again.get(key)).toBe(last.get(key))
        expect(kept).toHaveLength(Math.min(3, last.size))
        await again.close()
      }),
      { numRuns: 30 },
    )
  })

  it('survives being cut off anywhere behind its first line: whole entries stay, and it can be used again', async () => {
    const cache = await open()
    for (const key of ['a', 'b', 'c']) cache.set(key, { of: key })
    await cache.close()
    const whole = readFileSync(file)
    const ends = [...whole.toString('latin1').matchAll(/\n/g)].map(({ index }) => index + 1)
    const lengths = ends.flatMap((end) => [end, end + 1, end + 30, end + 60, end - 1]).slice(0, -4)
    for (const length of lengths.filter((each) => each >= (ends[0] ?? 0) && each <= whole.length)) {
      writeFileSync(file, whole)
      truncateSync(file, length)
      const cut = await open()
      const lines = whole.subarray(0, length).toString().split('\n').length - 2
      const found = ['a', 'b', 'c'].map((key) => cut.get(key))
      expect(found).toEqual(['a', 'b', 'c'].map((key, at) => (at < lines ? { of: key } : undefined)))
      cut.set('d', 'new')
      await cut.close()
      const again = await open()
      expect(again.get('d')).toBe('new')
      expect(again.counts.entries).toBe(lines + 1)
      await again.close()
    }
  })

  it('survives being killed in the middle of its work, again and again', async () => {
    const program = `
      const { VerdictCache } = await import('./src/proxy/verdict-cache.ts')
      const { pino } = await import('pino')
      const cache = await VerdictCache.open(process.argv[1], pino({ level: 'silent' }))
      let number = cache.counts.entries
      console.log('begun')
      const turn = () => {
        for (let each = 0; each < 500; each += 1, number += 1)
          cache.set('key ' + (number % 5000), { number: number % 5000, text: 'x'.repeat(number % 3000) })
        setTimeout(turn, 5)
      }
      turn()`
    for (const octets of [1, 2_000_000, 3_000_000]) {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      await until('the file to have grown', () => statSync(file).size > octets)
      child.kill('SIGKILL')
      await once(child, 'close')
      const cache = await open()
      let found = 0
      for (let number = 0; number < 5_000; number += 1) {
        const value = cache.get(`key ${number}`)
        if (value === undefined) continue
        found += 1
        expect(value).toMatchObject({ number })
      }
      expect(found).toBe(cache.counts.entries)
      if (octets > 1) expect(found).toBeGreaterThan(0)
      await cache.close()
    }
    expect(readdirSync(dirname(file))).toEqual(['verdicts.jsonl'])
  })

  it('grows to no more than twice what lives in it, and a little', async () => {
    const cache = await open()
    let largest = 0
    for (let round = 0; round < 8; round += 1) {
      for (let each = 0; each < 100; each += 1) cache.set(`key ${each}`, `${round} ${'x'.repeat(1_000)}`)
      const size = statSync(file).size
      await until('the round to be in the file', () => readFileSync(file, 'utf8').includes(`"${round} xxx`))
      largest = Math.max(largest, size)
    }
    const { octets } = cache.counts
    await cache.close()
    expect(largest).toBeGreaterThan(octets)
    expect(largest).toBeLessThanOrEqual(262_144)
    expect((await open()).counts.entries).toBe(100)
    expect(statSync(file).size).toBeLessThan(octets + 100)
  })

  it('refuses what is something else, of another version or damaged, and leaves it as it is', async () => {
    const header = '{"postern":"verdicts","version":1}\n'
    const good = `{"key":"${'k'.repeat(43)}","value":1}\n`
    mkdirSync(dirname(file))
    for (const [text, problem] of [
      ['precious\n', 'holds something else than verdicts'],
      ['precious', 'holds something else than verdicts'],
      ['x'.repeat(1_000_000), 'holds something else than verdicts'],
      ['{"postern":"recording","version":1}\n', 'holds something else than verdicts'],
      [header.trimEnd(), 'holds something else than verdicts'],
      ['{"postern":"verdicts","version":2}\n', 'is of version 2, and this postern reads 1'],
      [`${header}${good}nonsense\n${good}`, 'line 3 is damaged'],
      [`${header}{"key":"short","value":1}\n`, 'line 2 is damaged'],
      [`${header}${good}[]\n`, 'line 3 is damaged'],
    ] as const) {
      writeFileSync(file, text)
      const error = await failure()
      expect(error.problem).toContain(problem)
      expect(error.message).toContain(file)
      expect(error.cure).not.toBe('')
      expect(readFileSync(file, 'utf8')).toBe(text)
      expect(readdirSync(dirname(file))).toEqual(['verdicts.jsonl'])
    }
    writeFileSync(file, '')
    await (await open()).close()
    rmSync(file)
    symlinkSync('/etc/passwd', file)
    expect((await failure()).problem).toBe('is no file')
    rmSync(file)
    mkdirSync(file)
    expect((await failure()).problem).toBe('is no file')
  })

  it('says at the start where it cannot be written', async () => {
    writeFileSync(join(place.path, 'state'), '')
    const error = await failure()
    expect(error.message).toContain(file)
    expect(error.message).toMatch(/cannot be (read|written)/)
  })

  it('goes on in memory when the disk takes no more, says so once, and leaves whole entries behind', async () => {
    const program = `
      const { VerdictCache } = await import('./src/proxy/verdict-cache.ts')
      const { pino } = await import('pino')
      const cache = await VerdictCache.open(process.argv[1], pino({ base: null, timestamp: false }, process.stdout))
      for (let number = 0; number < 300; number += 1) cache.set('key ' + number, 'x'.repeat(1000) + number)
      await new Promise((resolve) => setTimeout(resolve, 1200))
      cache.set('more', 1)
      await cache.close()
      let known = 0
      for (let number = 0; number < 300; number += 1) if (cache.get('key ' + number) !== undefined) known += 1
      console.log(JSON.stringify({ known, more: cache.get('more'), counts: cache.counts }))`
    const { status, stdout, stderr } = await run('sh', [
      '-c',
      'ulimit -f 64 && exec "$0" --import tsx --input-type=module -e "$1" "$2"',
      process.execPath,
      program,
      file,
    ])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const lines = stdout.toString().trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { event: 'verdict-cache-failed', file, text: expect.stringContaining('EFBIG') },
      { known: 300, more: 1, counts: { entries: 301, unwritten: 1 } },
    ])
    expect(readdirSync(dirname(file))).toEqual(['verdicts.jsonl'])
    const cache = await open()
    expect(cache.counts.entries).toBeLessThan(300)
    await cache.close()
  })

  it('is written again when the disk takes it again', async () => {
    const kept = keptLog()
    const cache = await VerdictCache.open(file, kept.log)
    const away = join(place.path, 'away')
    renameSync(dirname(file), away)
    // More than twice what lives, so that it has to be written anew.
    for (let number = 0; number < 300; number += 1) {
      cache.set('same', `${number} ${'x'.repeat(2_000)}`)
    }
    await until('the failure to be told', () => kept.of('verdict-cache-failed').length > 0)
    renameSync(away, dirname(file))
    cache.set('other', 2)
    await cache.close()
    expect(kept.of('verdict-cache-failed')).toHaveLength(1)
    expect(kept.of('verdict-cache-written-again')).toHaveLength(1)
    const again = await open()
    expect(again.get('same')).toBe(`299 ${'x'.repeat(2_000)}`)
    expect(again.get('other')).toBe(2)
    await again.close()
  })

  it('keeps no more waiting for the disk than it may, and writes everything when there was more', async () => {
    const line = Buffer.byteLength(`{"key":"${'k'.repeat(43)}","value":10}\n`)
    const cache = await open({ waitingOctets: 2 * line })
    for (const [key, value] of [
      ['a', 10],
      ['b', 11],
      ['c', 12],
    ] as const)
      cache.set(key, value)
    expect(cache.counts).toMatchObject({ entries: 3, unwritten: 1 })
    await cache.close()
    const again = await open()
    expect([again.get('a'), again.get('b'), again.get('c')]).toEqual([10, 11, 12])
    await again.close()
  })

  it('is replaced by what lives when a write that was cut off long ago left its draft', async () => {
    mkdirSync(dirname(file))
    writeFileSync(`${file}.new`, 'half')
    const cache = await open()
    await cache.close()
    expect(existsSync(`${file}.new`)).toBe(false)
    appendFileSync(file, '{"key":"')
    await (await open()).close()
    expect(readFileSync(file, 'utf8')).toBe('{"postern":"verdicts","version":1}\n')
  })
})
