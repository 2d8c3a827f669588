/**
 * One YAML text as plain values, and where in the text each of them stands. Owns everything that is YAML; knows
 * nothing of what the values mean.
 */
import { isCollection, isMap, isNode, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import { ConfigError, type ConfigPath, type ConfigProblem } from './problem.js'

/** A line and a column, both from one. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A YAML text that was read. */
export interface YamlDocument {
  /** Plain values; `null` for an empty text. */
  readonly value: unknown
  /** Where the value of a path stands, or the nearest one around it that exists. */
  positionOf(path: ConfigPath): Position
  /** Where the key at the end of a path stands. */
  positionOfKey(path: ConfigPath): Position
  /** Every scalar and empty collection, in the order of the text. */
  leaves(): readonly { readonly path: ConfigPath; readonly position: Position }[]
}

/**
 * Reads a YAML 1.2 text.
 *
 * @param file name for messages
 * @throws {ConfigError} with every mistake in the syntax, duplicate keys and unknown aliases included
 */
export function readYaml(file: string, text: string): YamlDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const problems = document.errors.map(
    (error): ConfigProblem => ({ ...at(error.pos[0]), ...syntaxProblem(error.message) }),
  )
  if (problems.length > 0) throw new ConfigError(file, problems)

  let value: unknown
  try {
    value = document.toJS()
  } catch (error) {
    // An alias without an anchor, or aliases that multiply beyond measure, are found only here.
    const message = error instanceof Error ? error.message : String(error)
    throw new ConfigError(file, [{ ...at(0), ...syntaxProblem(message) }])
  }

  const root = document.contents
  return {
    value,
    positionOf: (path) => at(offsetOf(root, path)),
    positionOfKey: (path) => at(offsetOfKey(root, path)),
    leaves: () => leavesOf(root, []).map(({ path, offset }) => ({ path, position: at(offset) })),
  }
}

function syntaxProblem(message: string): {
  readonly path: string
  readonly found: string
  readonly expected: string
} {
  const [firstLine = message] = message.split('\n')
  // "[::1]" within "{ }" or "[ ]" starts a list, which nobody expects of a URL.
  const isBracket = /flow-seq-start|flow sequence|flow-map-start/.test(firstLine)
  const hint = isBracket ? ' (a URL with "[" needs quotes within { } or [ ])' : ''
  return {
    path: '',
    found: `a mistake in the YAML (${firstLine.replace(/\.$/, '')})`,
    expected: `valid YAML${hint}`,
  }
}

function offsetOf(root: Node | null, path: ConfigPath): number {
  let node: unknown = root
  let offset = startOf(root) ?? 0
  for (const step of path) {
    const pair = pairOf(node, step)
    const next = isCollection(node) ? node.get(step, true) : undefined
    const found = startOf(next) ?? startOf(pair?.key)
    if (found === null) return offset
    offset = found
    node = next
  }
  return offset
}

function offsetOfKey(root: Node | null, path: ConfigPath): number {
  const parent = path.slice(0, -1)
  const key = path.at(-1)
  const holder = parent.reduce<unknown>(
    (node, step) => (isCollection(node) ? node.get(step, true) : undefined),
    root,
  )
  const pair = key === undefined ? undefined : pairOf(holder, key)
  return startOf(pair?.key) ?? offsetOf(root, path)
}

function pairOf(node: unknown, key: string | number): Pair | undefined {
  return isMap(node) ? node.items.find((pair) => isScalar(pair.key) && pair.key.value === key) : undefined
}

function startOf(node: unknown): number | null {
  return isNode(node) ? (node.range?.[0] ?? null) : null
}

function leavesOf(
  node: unknown,
  path: ConfigPath,
): readonly { readonly path: ConfigPath; readonly offset: number }[] {
  if (isMap(node)) {
    return node.items.flatMap((pair) =>
      leavesOf(pair.value, [...path, isScalar(pair.key) ? String(pair.key.value) : '']),
    )
  }
  if (isCollection(node) && node.items.length > 0) {
    return node.items.flatMap((item, index) => leavesOf(item, [...path, index]))
  }
  const offset = startOf(node)
  return offset === null ? [] : [{ path, offset }]
}
