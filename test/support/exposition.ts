/**
 * Reads the text format of Prometheus (0.0.4) as a strict scraper does, and refuses what one would stumble over. Shares
 * nothing with the library that writes it.
 */
import { expect } from 'vitest'

type Labels = Readonly<Record<string, string>>

/** One line of figures. */
export interface Sample {
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

/** What one scrape told. */
export interface Exposition {
  readonly text: string
  readonly samples: readonly Sample[]
  /** Kind of each metric, by its name. */
  readonly types: ReadonlyMap<string, string>
  /**
   * The sum of all samples of this name that have these labels; others may stand beside them.
   *
   * @returns null where there is none
   */
  value(name: string, labels?: Labels): number | null
  /** All values of a label, in order of appearance. */
  valuesOf(name: string, label: string): readonly string[]
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/
const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/

/** Parses, and fails the test on what is malformed, told twice, of no kind, or a histogram that falls. */
export function parseExposition(text: string): Exposition {
  expect(text.endsWith('\n')).toBe(true)
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const samples: Sample[] = []
  const seen = new Set<string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = COMMENT.exec(line)
    if (comment !== null) {
      const [, what, name = '', rest = ''] = comment
      if (what === 'HELP') helped.add(name)
      else {
        expect(types.has(name), `${name} has one type`).toBe(false)
        expect(['counter', 'gauge', 'histogram', 'summary']).toContain(rest)
        types.set(name, rest)
      }
      continue
    }
    const sample = sampleOf(line)
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
    expect(seen.has(key), `${line} is told once`).toBe(false)
    seen.add(key)
    const base = types.has(sample.name) ? sample.name : sample.name.replace(/_(bucket|sum|count)$/, '')
    expect(types.has(base) && helped.has(base), `${sample.name} has type and help before it`).toBe(true)
    samples.push(sample)
  }
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples)
  const having = (name: string, labels: Labels): readonly Sample[] =>
    samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  return {
    text,
    samples,
    types,
    value: (name, labels = {}) => {
      const found = having(name, labels)
      return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0)
    },
    valuesOf: (name, label) => [...new Set(having(name, {}).map(({ labels }) => labels[label] ?? ''))],
  }
}

function sampleOf(line: string): Sample {
  const [, name = '', labelText = '', number = ''] = LINE.exec(line) ?? []
  expect(name, `a line of figures: ${line}`).not.toBe('')
  const labels: Record<string, string> = {}
  let rest = labelText
  while (rest !== '') {
    const [whole = '', label = '', value = ''] = LABEL.exec(rest) ?? []
    expect(whole, `labels: ${line}`).not.toBe('')
    expect(Object.hasOwn(labels, label), `${label} stands once: ${line}`).toBe(false)
    labels[label] = value.replace(/\\(["\\n])/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(whole.length)
  }
  expect(number, `a number: ${line}`).toMatch(/^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|nan)$/i)
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
  return { name, labels, value }
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>()
  for (const sample of samples.filter((each) => each.name === `${name}_bucket`)) {
    const { le: _, ...others } = sample.labels
    const key = JSON.stringify(Object.entries(others).sort())
    series.set(key, [...(series.get(key) ?? []), sample])
  }
  for (const [key, buckets] of series) {
    const counts = buckets.map(({ value }) => value)
    expect(counts, `${name} rises`).toEqual([...counts].sort((one, other) => one - other))
    expect(buckets.at(-1)?.labels.le).toBe('+Inf')
    const count = samples.find(
      (each) => each.name === `${name}_count` && JSON.stringify(Object.entries(each.labels).sort()) === key,
    )
    expect(count?.value, `${name}_count`).toBe(counts.at(-1))
  }
}
