/**
 * One action of a rule file as a value: words and parameters made complete by defaults, and said again in one line.
 */
import { formatDuration, formatOctets } from '../config/units.js'
import type { Action } from './action.js'
import type { RuleAction } from './rule.js'
import { type ActionSource, DEFAULT_SUFFIX } from './schema.js'
import { parseTemplate, type Template } from './template.js'

const DAY_MS = 86_400_000

const STRIPPED = parseTemplate('An attachment was removed here by the rule "{rule}".')
const QUARANTINED = parseTemplate(
  'This message was put in quarantine by the rule "{rule}". The administrator of postern can show or release it.',
)

/** Completes what the schema let pass. Null for a mapping without an action, which it does not let pass. */
export function compileAction(source: ActionSource): RuleAction | null {
  const does = typeof source === 'string' ? ofWord(source) : ofMapping(source)
  return does === null ? null : { does, words: wordsOf(does) }
}

type Mapping = Exclude<ActionSource, string>

function ofWord(word: string): Action | null {
  return ofMapping({ [word]: null })
}

function ofMapping(source: Mapping): Action | null {
  return (
    ofHeader(source) ??
    ofBody(source) ??
    ofAttachments(source) ??
    ofFate(source) ??
    ofTelling(source) ??
    ofCommand(source) ??
    ofSession(source) ??
    ofTrouble(source)
  )
}

function ofHeader(source: Mapping): Action | null {
  const { 'add-header': add, 'set-header': set, 'remove-header': remove, 'tag-subject': tag } = source
  if (add !== undefined) return { type: 'add-header', ...add }
  if (set !== undefined) return { type: 'set-header', ...set }
  if (remove !== undefined) return { type: 'remove-header', name: remove }
  return tag === undefined ? null : { type: 'tag-subject', tag }
}

function ofBody(source: Mapping): Action | null {
  const { 'replace-text': replace, notice } = source
  if (replace !== undefined) {
    return { type: 'replace-text', pattern: replace.pattern, replacement: replace.with }
  }
  if (notice !== undefined) return { type: 'notice', text: textOf(notice) }
  return source['disarm-links'] === undefined ? null : { type: 'disarm-links' }
}

function ofAttachments(source: Mapping): Action | null {
  const { 'strip-attachments': strip, 'rename-attachments': rename } = source
  const all = () => true
  if (strip !== undefined) {
    return { type: 'strip-attachments', isMeant: strip?.isMeant ?? all, text: strip?.text ?? STRIPPED }
  }
  return rename === undefined
    ? null
    : {
        type: 'rename-attachments',
        isMeant: rename?.isMeant ?? all,
        suffix: rename?.suffix ?? DEFAULT_SUFFIX,
      }
}

function ofFate(source: Mapping): Action | null {
  const { quarantine, 'keep-on-server': keep, 'take-output': judge } = source
  if (judge !== undefined) return { type: 'take-output', judge }
  if (quarantine !== undefined) {
    return { type: 'quarantine', leaves: quarantine?.then ?? 'notice', text: quarantine?.text ?? QUARANTINED }
  }
  if (keep !== undefined) return { type: 'keep-on-server', forMs: keep?.for ?? null }
  return source.hide === undefined ? null : { type: 'hide' }
}

function ofTelling(source: Mapping): Action | null {
  const { mark, notify } = source
  if (mark !== undefined) return { type: 'mark', text: textOf(mark) }
  if (notify !== undefined) return { type: 'notify', url: typeof notify === 'string' ? notify : notify.url }
  return source.log === undefined ? null : { type: 'log' }
}

function ofCommand(source: Mapping): Action | null {
  const { refuse, answer, delay } = source
  if (refuse !== undefined) {
    const code = 'code' in refuse ? (refuse.code ?? null) : null
    return { type: 'refuse', text: textOf(refuse), code }
  }
  if (answer !== undefined) {
    const lines = 'lines' in answer ? (answer.lines ?? null) : null
    return { type: 'answer', text: textOf(answer), lines }
  }
  if (delay !== undefined) return { type: 'delay', ms: delay }
  return source.close === undefined ? null : { type: 'close' }
}

function ofSession(source: Mapping): Action | null {
  const { 'set-argument': argument, capabilities, greeting, 'limit-logins': every } = source
  if (argument !== undefined) return { type: 'set-argument', argument }
  if (capabilities !== undefined)
    return { type: 'capabilities', add: capabilities.add ?? [], remove: capabilities.remove ?? [] }
  if (greeting !== undefined) return { type: 'greeting', text: greeting }
  return every === undefined ? null : { type: 'limit-logins', everyMs: every }
}

function ofTrouble(source: Mapping): Action | null {
  const { throttle, 'cut-off': cutOff, corrupt } = source
  if (throttle !== undefined) return { type: 'throttle', octetsPerSecond: throttle }
  if (cutOff !== undefined) return { type: 'cut-off', octets: cutOff }
  return corrupt === undefined ? null : { type: 'corrupt', every: corrupt }
}

function textOf(value: Template | { readonly text: Template }): Template {
  return 'text' in value ? value.text : value
}

/** Longest text that is repeated in words. */
const SHOWN_CHARACTERS = 60

/** Says an action as the rule file does, in one line. */
function wordsOf(action: Action): string {
  const details = detailsOf(action)
  return details === '' ? action.type : `${action.type} ${details}`
}

function detailsOf(action: Action): string {
  switch (action.type) {
    case 'add-header':
    case 'set-header':
      return `${action.name}: ${quoted(action.value)}`
    case 'remove-header':
      return action.name
    case 'take-output':
      return action.judge
    case 'tag-subject':
      return quoted(action.tag)
    case 'replace-text':
      return `${quote(action.pattern.source)} with ${quoted(action.replacement)}`
    case 'rename-attachments':
      return `by ${action.suffix}`
    case 'notice':
    case 'mark':
      return quoted(action.text)
    case 'quarantine':
      return `then ${action.leaves}`
    case 'keep-on-server':
      return action.forMs === null ? '' : `for ${age(action.forMs)}`
    case 'notify':
      return quote(new URL(action.url).host)
    case 'refuse':
      return action.code === null ? quoted(action.text) : `[${action.code}] ${quoted(action.text)}`
    case 'answer':
      return quoted(action.text)
    case 'delay':
      return formatDuration(action.ms)
    case 'set-argument':
      return quoted(action.argument)
    case 'capabilities':
      return [...action.add.map((line) => `+${line}`), ...action.remove.map((tag) => `-${tag}`)].join(', ')
    case 'greeting':
      return quoted(action.text)
    case 'limit-logins':
      return `one each ${formatDuration(action.everyMs)}`
    case 'throttle':
      return `${formatOctets(action.octetsPerSecond)} a second`
    case 'cut-off':
      return `after ${formatOctets(action.octets)}`
    case 'corrupt':
      return `one octet in ${action.every}`
    default:
      return ''
  }
}

function quoted({ source }: Template): string {
  return quote(source)
}

function quote(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text)
}

function age(ms: number): string {
  return ms % DAY_MS === 0 ? `${ms / DAY_MS}d` : formatDuration(ms)
}
