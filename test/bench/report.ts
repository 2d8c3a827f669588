/**
 * Turns measurements into the report: ratios to the yardstick within each round, medians of those, markdown.
 * Pure; measures and prints nothing.
 */
import type { Figures, Row } from './rows.js'
import { median } from './statistics.js'
import { DIRECT, type Subject, takesPart, YARDSTICK } from './subjects.js'

/** The listeners that every subject has, as columns are named. */
export const LISTENERS = ['plain', 'pop3s'] as const
export type Listener = (typeof LISTENERS)[number]

/** One measurement and where it belongs. */
export interface Measurement extends Figures {
  readonly round: number
  readonly row: string
  readonly listener: Listener
  readonly subject: string
}

/** Something that gave no figure: a subject, or a subject in one row at one listener; and why. */
export interface Gap {
  readonly what: string
  readonly problem: string
}

/** The figures of one subject in one row at one listener, over all rounds. */
export interface Summary {
  readonly cost: number | null
  readonly rate: number | null
  /** Cost as a multiple of the yardstick's in the same round: median, least and greatest. */
  readonly ratio: { readonly median: number; readonly least: number; readonly greatest: number } | null
  readonly resumedShare: number | null
}

/**
 * Sums up one subject in one row at one listener.
 *
 * A ratio is taken between measurements of the same round, which stand close in time: what else the machine did
 * then hit both. The median is of the ratios, never a ratio of medians.
 */
export function summarize(
  measurements: readonly Measurement[],
  row: Row,
  listener: Listener,
  subject: string,
): Summary {
  const here = measurements.filter((one) => one.row === row.name && one.listener === listener)
  const costOf = (name: string, round: number): number | null => {
    const cost = here.find((one) => one.subject === name && one.round === round)?.cost ?? null
    if (!row.isAdded || cost === null) return cost
    const base = here.find((one) => one.subject === DIRECT && one.round === round)?.cost ?? null
    return base === null || name === DIRECT ? null : cost - base
  }
  const own = here.filter((one) => one.subject === subject)
  const costs = own.map((one) => costOf(subject, one.round)).filter(isFigure)
  const ratios = own
    .map(({ round }) => {
      const cost = costOf(subject, round)
      const yardstick = costOf(YARDSTICK, round)
      return cost === null || yardstick === null || yardstick <= 0 ? null : cost / yardstick
    })
    .filter(isFigure)
  const middle = median(ratios)
  return {
    cost: median(costs),
    rate: median(own.map((one) => one.rate).filter(isFigure)),
    ratio:
      middle === null ? null : { median: middle, least: Math.min(...ratios), greatest: Math.max(...ratios) },
    resumedShare: median(own.map((one) => one.resumedShare).filter(isFigure)),
  }
}

function isFigure(value: number | null): value is number {
  return value !== null
}

/** What the report tells beside the measurements. */
export interface Circumstances {
  readonly rows: readonly Row[]
  readonly listeners: readonly Listener[]
  readonly subjects: readonly { readonly subject: Subject; readonly version: string }[]
  readonly gaps: readonly Gap[]
  readonly rounds: number
  readonly isQuick: boolean
  readonly kernel: string
  readonly processor: string
  readonly node: string
  readonly date: string
}

/** Writes the report as markdown, ready for a README. */
export function markdown(measurements: readonly Measurement[], circumstances: Circumstances): string {
  const { rows, listeners, subjects, gaps } = circumstances
  const sections = [
    `Measured ${circumstances.date}: ${circumstances.processor}, Linux ${circumstances.kernel}, Node ${circumstances.node}; ` +
      `${circumstances.rounds} round${circumstances.rounds === 1 ? '' : 's'}, subjects in turn, POP3S toward the server everywhere. ` +
      `Versions: ${subjects.map(({ subject, version }) => `${subject.name} ${version}`).join(', ')}.`,
    ...(circumstances.isQuick
      ? ['**Quick run: shows that everything works, the figures mean nothing.**']
      : []),
    `Costs as multiples of \`${YARDSTICK}\` (median of the ratios within each round, less is better):`,
    overview(measurements, circumstances),
    ...rows.flatMap((row) => [
      `**${row.title}** (${row.costUnit}; × ${YARDSTICK}: median, least to greatest)`,
      table(
        [
          'Subject',
          ...listeners.flatMap((listener) => [
            `${listener}: ${row.costUnit}`,
            `× ${YARDSTICK}`,
            ...(row.rateUnit === null ? [] : [row.rateUnit]),
          ]),
        ],
        subjects
          .filter(({ subject }) => takesPart(subject, row.effects))
          .map(({ subject }) => [
            subject.name,
            ...listeners.flatMap((listener) => {
              const { cost, ratio, rate } = summarize(measurements, row, listener, subject.name)
              return [
                figure(cost),
                ratio === null
                  ? '–'
                  : `${ratio.median.toFixed(2)} (${ratio.least.toFixed(2)}–${ratio.greatest.toFixed(2)})`,
                ...(row.rateUnit === null ? [] : [figure(rate)]),
              ]
            }),
          ]),
      ),
    ]),
    notes(measurements, circumstances),
    ...(gaps.length === 0
      ? []
      : [gaps.map(({ what, problem }) => `- no figure: ${what}: ${problem}`).join('\n')]),
  ]
  return `${sections.join('\n\n')}\n`
}

function overview(
  measurements: readonly Measurement[],
  { rows, listeners, subjects }: Circumstances,
): string {
  const columns = rows.flatMap((row) => listeners.map((listener) => ({ row, listener })))
  return table(
    ['Subject', ...columns.map(({ row, listener }) => `${row.name}, ${listener}`)],
    subjects
      .filter(({ subject }) => subject.name !== DIRECT)
      .map(({ subject }) => [
        subject.name,
        ...columns.map(({ row, listener }) => {
          const { ratio } = summarize(measurements, row, listener, subject.name)
          return ratio === null ? '–' : ratio.median.toFixed(2)
        }),
      ]),
  )
}

/** Footnotes of the subjects, and what the server saw of their TLS sessions while they logged in. */
function notes(measurements: readonly Measurement[], { rows, listeners, subjects }: Circumstances): string {
  const login = rows.find((row) => row.name === 'login')
  return subjects
    .map(({ subject }) => {
      const resumed = listeners.flatMap((listener) => {
        if (login === undefined) return []
        const { resumedShare } = summarize(measurements, login, listener, subject.name)
        return resumedShare === null ? [] : [`${listener} ${Math.round(resumedShare * 100)} %`]
      })
      const protocols = new Set(
        measurements.filter((one) => one.subject === subject.name).flatMap((one) => one.protocols),
      )
      const parts = [
        ...(subject.footnote === null ? [] : [subject.footnote]),
        ...(resumed.length === 0 ? [] : [`TLS sessions resumed at the server: ${resumed.join(', ')}.`]),
        ...(protocols.size === 0 ? [] : [`${[...protocols].sort().join(', ')} toward the server.`]),
      ]
      return `- ${subject.name}: ${parts.join(' ')}`
    })
    .join('\n')
}

/** Three significant digits, which is more than the spread allows. */
function figure(value: number | null): string {
  if (value === null) return '–'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(head),
    line(head.map((_, index) => (index === 0 ? '---' : '--:'))),
    ...body.map((cells) => line(cells)),
  ].join('\n')
}
