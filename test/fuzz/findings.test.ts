import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Coverage } from './coverage.js'
import { FINDINGS, minimise, readFindings, writeFinding } from './finding.js'
import { fuzz, type Progress } from './fuzzer.js'
import { mutate } from './mutate.js'
import { PLANTED } from './planted-target.js'
import { demand, type FuzzTarget, Violation, violationOf } from './target.js'
import { TARGETS } from './targets.js'

describe('what the fuzzer found', () => {
  for (const { file, target: name, property, input } of readFindings(FINDINGS)) {
    it(`stays mended: ${file}, "${property}"`, () => {
      const target = TARGETS.find((each) => each.name === name)
      expect(target, `no target is named ${name}`).toBeDefined()
      if (target !== undefined) expect(violationOf(target, input)).toBeNull()
    })
  }

  for (const target of TARGETS) {
    it(`begins from seeds of ${target.name} that break nothing`, () => {
      expect(target.seeds.length).toBeGreaterThan(0)
      for (const seed of target.seeds) expect(violationOf(target, seed)).toBeNull()
    })
  }
})

describe('the fuzzer', () => {
  const EXECUTIONS = 200_000
  const search = {
    seed: 4,
    isOver: ({ executions, findings }: Progress) => executions >= EXECUTIONS || findings > 0,
    onProgress: () => {},
  }

  it('finds a planted bug behind four octets, one at a time, by the code that each of them reaches', async () => {
    const coverage = new Coverage(PLANTED.covers)
    const { found, corpus } = await fuzz(PLANTED, { ...search, coverage })
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ target: 'planted', property: 'never throws' })
    expect(found[0]?.message).toContain('planted bug')
    expect(found[0]?.input.toString('latin1')).toBe('q\x07Z!')
    expect(corpus).toBeGreaterThan(3)
  })

  it('does not find that bug without coverage, which shows what guides it', async () => {
    const { found, executions } = await fuzz(PLANTED, { ...search, coverage: null })
    expect(executions).toBeGreaterThanOrEqual(EXECUTIONS)
    expect(found).toHaveLength(0)
  })

  it('reports each broken promise once and goes on', async () => {
    const broken: FuzzTarget = {
      name: 'broken',
      seeds: [Buffer.from('seed')],
      covers: [],
      run(input) {
        demand(!input.includes(0x0d), 'no CR', () => 'a CR')
        demand(!input.includes(0x2e), 'no dot', () => 'a dot')
      },
    }
    const { found } = await fuzz(broken, {
      ...search,
      isOver: ({ findings }) => findings === 2,
      coverage: null,
    })
    expect(found.map(({ property, input }) => [property, input.toString()]).sort()).toEqual([
      ['no CR', '\r'],
      ['no dot', '.'],
    ])
  })

  it('makes the same inputs of the same seed', async () => {
    const ran: string[][] = []
    for (let turn = 0; turn < 2; turn += 1) {
      const inputs: string[] = []
      const recorder: FuzzTarget = {
        name: 'recorder',
        seeds: [Buffer.from('USER a\r\n')],
        covers: [],
        run: (input) => void inputs.push(input.toString('hex')),
      }
      await fuzz(recorder, { ...search, isOver: ({ executions }) => executions > 500, coverage: null })
      ran.push(inputs)
    }
    expect(ran[0]).toEqual(ran[1])
    expect(new Set(ran[0]).size).toBeGreaterThan(400)
  })

  it('spoils a copy and never the input itself', () => {
    const input = Buffer.from('RETR 1\r\n')
    let state = 0
    for (let turn = 0; turn < 2_000; turn += 1) {
      mutate(input, input, () => {
        state = (state * 16_807 + 11) % 2_147_483_647
        return state / 2_147_483_647
      })
    }
    expect(input.toString()).toBe('RETR 1\r\n')
    expect(mutate(Buffer.alloc(0), Buffer.alloc(0), () => 0.5)).toBeInstanceOf(Buffer)
  })
})

describe('a finding', () => {
  const dots: FuzzTarget = {
    name: 'dots',
    seeds: [],
    covers: [],
    run(input) {
      if (input.filter((octet) => octet === 0x2e).length >= 2) throw new Violation('few dots', 'two dots')
      if (input.length > 30) throw new Violation('short', 'long')
    },
  }

  it('is made as short as the same broken promise allows', () => {
    const input = Buffer.from('a long line . with dots . in it, and one more . here\r\n')
    expect(minimise(dots, input, 'few dots').toString()).toBe('..')
    expect(minimise(dots, Buffer.from('x'.repeat(80)), 'short')).toHaveLength(31)
  })

  it('is written to a file and read back', () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-fuzz-'))
    try {
      const finding = {
        target: 'dots',
        property: 'few dots',
        message: 'two dots',
        input: Buffer.from('..\xff', 'latin1'),
      }
      const path = writeFinding(directory, finding)
      expect(readFindings(directory)).toEqual([{ ...finding, file: path.slice(directory.length + 1) }])
      writeFileSync(join(directory, 'wrong.json'), '{"target":"x"}')
      expect(() => readFindings(directory)).toThrow('wrong.json: "property" is no text')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
