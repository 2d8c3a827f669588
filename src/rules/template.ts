/**
 * Texts of a rule file with placeholders such as `{subject}` or `{score.rspamd}`. Owns how they are written and that
 * what is put in their place stays one harmless line; knows nothing of what the text is for.
 */
import { nearest } from '../config/problem.js'
import type { Fields } from '../expression/fields.js'
import { FIELD_FACTS, FIELD_NAMES, isField } from '../expression/vocabulary.js'
import { safeText } from '../trace/safe-text.js'
import { VALUE_CODE_POINTS } from './limits.js'
import { COMMAND_RULE_FIELDS, MESSAGE_RULE_FIELDS } from './sight.js'

/** What stands where there is no value. */
const ABSENT = '-'

/** A text that is ready to be filled in. */
export interface Template {
  /** As written. */
  readonly source: string
  readonly fields: ReadonlySet<keyof Fields>
  /** Names of judges whose answer it tells. */
  readonly judges: ReadonlySet<string>
  /**
   * Fills in values, each one harmless line of bounded length; `-` for one that is absent.
   *
   * @param change what becomes of each value before it is put in
   */
  fill(values: Fields, change?: (value: string) => string): string
}

/** Why a text is no template: what may stand in the place of the mistake. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

interface Placeholder {
  readonly field: keyof Fields
  readonly key: string | null
}

/** Names that may stand in braces: texts and numbers, and the tables with `.NAME`. */
const POSSIBLE: readonly string[] = FIELD_NAMES.flatMap((name) => {
  if (name !== 'rule' && !MESSAGE_RULE_FIELDS.has(name) && !COMMAND_RULE_FIELDS.has(name)) return []
  const { type } = FIELD_FACTS[name]
  if (type === 'text' || type === 'number') return [name]
  return type === 'table' || type === 'numbers' ? [`${name}.NAME`] : []
})
const OF_JUDGES: ReadonlySet<keyof Fields> = new Set(['verdict', 'score', 'finding'])

/**
 * Reads a text with placeholders. `{{` stands for a brace.
 *
 * @throws {TemplateError} for a placeholder that is none, or that does not end
 */
export function parseTemplate(source: string): Template {
  const pieces: (string | Placeholder)[] = []
  let plain = ''
  for (let at = 0; at < source.length; at += 1) {
    const sign = source.charAt(at)
    if (sign !== '{') plain += sign
    else if (source.charAt(at + 1) === '{') {
      plain += '{'
      at += 1
    } else {
      const end = source.indexOf('}', at)
      if (end < 0) throw new TemplateError('`}` behind each `{`; `{{` is a brace')
      pieces.push(plain, parsePlaceholder(source.slice(at + 1, end)))
      plain = ''
      at = end
    }
  }
  pieces.push(plain)
  const placeholders = pieces.filter((piece) => typeof piece !== 'string')
  return {
    source,
    fields: new Set(placeholders.map(({ field }) => field)),
    judges: new Set(
      placeholders.flatMap(({ field, key }) => (OF_JUDGES.has(field) && key !== null ? [key] : [])),
    ),
    fill: (values, change = (value) => value) =>
      pieces.map((piece) => (typeof piece === 'string' ? piece : change(shownValue(piece, values)))).join(''),
  }
}

function parsePlaceholder(written: string): Placeholder {
  const dot = written.indexOf('.')
  const name = dot < 0 ? written : written.slice(0, dot)
  const key = dot < 0 ? null : written.slice(dot + 1)
  const guess =
    nearest(written, POSSIBLE) ??
    nearest(
      name,
      POSSIBLE.map((each) => each.split('.')[0] ?? ''),
    )
  const hint = guess === null ? `possible: ${POSSIBLE.join(', ')}` : `did you mean {${guess}}?`
  if (!isField(name)) throw new TemplateError(`known placeholders; {${written}} is none (${hint})`)
  const { type } = FIELD_FACTS[name]
  const isTable = type === 'table' || type === 'numbers'
  if (!isTable && (type === 'list' || type === 'yes or no')) {
    throw new TemplateError(
      `texts and numbers in braces; \`${name}\` is neither (possible: ${POSSIBLE.join(', ')})`,
    )
  }
  if (isTable && (key === null || key === '')) {
    throw new TemplateError(
      `a name behind \`${name}\`, as in {${name}.${OF_JUDGES.has(name) ? 'clamd' : 'list-id'}}`,
    )
  }
  if (!isTable && key !== null) throw new TemplateError(`{${name}}: \`${name}\` is no table`)
  const isHeader = name === 'header' || name === 'raw_header'
  return { field: name, key: key === null || !isHeader ? key : key.toLowerCase() }
}

function shownValue({ field, key }: Placeholder, values: Fields): string {
  const value = values[field]
  const found = value instanceof Map && key !== null ? value.get(key) : value
  if (typeof found === 'string') return safeText(found, VALUE_CODE_POINTS)
  return typeof found === 'number' ? String(found) : ABSENT
}
