/**
 * A filter divided into conditions that can be asked one at a time, so that who pays for what a condition looks at pays
 * for the cheap ones first. Owns where a filter may be divided; knows nothing of costs.
 *
 * Only `&&` and `||` at the top divide. An absent field makes a condition false there whichever side it stands on, so
 * asking the parts by themselves gives the same answer as asking the whole.
 */
import { type ASTNode, serialize } from '@marcbachmann/cel-js'
import { ENVIRONMENT } from './environment.js'
import { type Filter, parseFilter } from './filter.js'

/** A filter as all of its parts, as any of them, or as one that is not divided any further. */
export type Division =
  | { readonly type: 'all' | 'any'; readonly of: readonly Division[] }
  | { readonly type: 'part'; readonly filter: Filter }

/** Divides a filter. Plain words are one part. Never fails. */
export function divide(filter: Filter): Division {
  const whole = { type: 'part', filter } as const
  if (filter.isText) return whole
  return divideNode(ENVIRONMENT.parse(filter.text).ast) ?? whole
}

/** @returns null where the text of a part cannot be told from its place in the whole */
function divideNode(node: ASTNode): Division | null {
  if (node.op !== '&&' && node.op !== '||') return partOf(node)
  const operands = operandsOf(node, node.op).map(divideNode)
  const of = operands.filter((operand) => operand !== null)
  if (of.length < operands.length) return null
  return { type: node.op === '&&' ? 'all' : 'any', of }
}

/** `a && b && c` is a chain of pairs. */
function operandsOf(node: ASTNode, op: '&&' | '||'): readonly ASTNode[] {
  return node.op === op ? node.args.flatMap((operand) => operandsOf(operand, op)) : [node]
}

function partOf(node: ASTNode): Division | null {
  const text = textOf(node)
  try {
    const filter = parseFilter(text)
    // Parentheses are found by looking at signs alone. Wherever that goes wrong, nothing is divided.
    const isSame = !filter.isText && serialize(ENVIRONMENT.parse(text).ast) === serialize(node)
    return isSame ? { type: 'part', filter } : null
  } catch {
    return null
  }
}

/** The library leaves out parentheses at the ends of a node: the text reaches to the partner of each one within. */
function textOf({ input, start, end }: ASTNode): string {
  const pairs = parenthesesIn(input)
  let from = start
  let to = end
  for (const [open, close] of pairs) {
    const hasOpen = open >= start && open < end
    const hasClose = close >= start && close < end
    if (hasOpen && !hasClose) to = Math.max(to, close + 1)
    if (hasClose && !hasOpen) from = Math.min(from, open)
  }
  return input.slice(from, to)
}

/** Places of parentheses and their partners, outside of quotes. */
function parenthesesIn(text: string): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  const open: number[] = []
  let quote: string | null = null
  for (let at = 0; at < text.length; at += 1) {
    const sign = text.charAt(at)
    if (quote !== null) {
      if (sign === '\\') at += 1
      else if (sign === quote) quote = null
    } else if (sign === '"' || sign === "'") quote = sign
    else if (sign === '(') open.push(at)
    else if (sign === ')') {
      const partner = open.pop()
      if (partner !== undefined) pairs.push([partner, at])
    }
  }
  return pairs
}
