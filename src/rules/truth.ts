/**
 * Whether a condition holds by what is known so far: yes, no, or what must be seen or whom must be asked first. Asks
 * the cheapest part that can still decide, so that no message is fetched and no judge asked for a condition that is
 * decided already.
 */
import type { Division } from '../expression/division.js'
import type { Filter } from '../expression/filter.js'
import type { KnownMessage } from './known-message.js'
import { isBeyond, type Need, needOf, sightFor } from './sight.js'

/** Whether something holds. */
export type Truth =
  | { readonly type: 'yes' | 'no' }
  /** More of the message must be seen. */
  | { readonly type: 'needs'; readonly sight: 'header' | 'message' }
  /** Judges must be asked, all of them at the same time. */
  | { readonly type: 'asks'; readonly judges: ReadonlySet<string> }
  /** It cannot be known: `why` in words for a person. */
  | { readonly type: 'failed'; readonly why: string }

const YES: Truth = { type: 'yes' }
const NO: Truth = { type: 'no' }

/** Tells whether a condition holds for a message. Never fails. */
export function truthOf(condition: Division, known: KnownMessage): Truth {
  if (condition.type === 'part') return truthOfPart(condition.filter, known)
  const decides = condition.type === 'all' ? 'no' : 'yes'
  const open: Truth[] = []
  for (const operand of condition.of) {
    const truth = truthOf(operand, known)
    if (truth.type === decides) return truth
    if (truth.type !== 'yes' && truth.type !== 'no') open.push(truth)
  }
  return open.length > 0 ? cheapest(open) : condition.type === 'all' ? YES : NO
}

/** Tells whether judges have answered, for a text that tells what they say. */
export function truthOfAnswers(judges: Iterable<string>, known: KnownMessage): Truth {
  const missing = new Set<string>()
  for (const name of judges) {
    const answer = known.answerOf(name)
    if (answer === null) missing.add(name)
    else if ('failed' in answer) return { type: 'failed', why: answer.failed }
  }
  if (missing.size === 0) return YES
  return lacking('message', known) ?? { type: 'asks', judges: missing }
}

/** What of several open questions is to be asked first. A part that failed may be decided by the others. */
function cheapest(open: readonly Truth[]): Truth {
  const [first = NO, ...rest] = open
  return rest.reduce((one, other) => {
    if (one.type === 'asks' && other.type === 'asks') {
      return { type: 'asks', judges: new Set([...one.judges, ...other.judges]) }
    }
    return priceOf(other) < priceOf(one) ? other : one
  }, first)
}

function priceOf(truth: Truth): number {
  switch (truth.type) {
    case 'needs':
      return truth.sight === 'header' ? 1 : 2
    case 'asks':
      return 3
    case 'failed':
      return 4
    case 'yes':
    case 'no':
      return 0
  }
}

function truthOfPart(filter: Filter, known: KnownMessage): Truth {
  const need = needOf(filter.fields)
  const lacks = lacking(need, known)
  if (lacks !== null) return lacks
  const answers = truthOfAnswers(filter.judges, known)
  if (answers.type !== 'yes') return answers
  return filter.matches(known.fields, () => '') ? YES : NO
}

/** Null where enough was seen. */
export function lacking(need: Need, known: KnownMessage): Truth | null {
  const sight = sightFor(need)
  if (known.sees(sight)) return null
  if (known.unseen !== null) return { type: 'failed', why: known.unseen }
  return { type: 'needs', sight: isBeyond(sight, 'header') ? 'message' : 'header' }
}
