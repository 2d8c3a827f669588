/**
 * A look at a parsed expression before it is checked: which fields it mentions, which it cannot hold without, and
 * whether every word in it is one of the language. Owns what may be said beyond what the grammar allows: what the
 * library knows and {@link FIELD_FACTS} and its neighbours do not name is refused here.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { Fields } from './fields.js'
import { FilterError } from './filter-error.js'
import { MACRO_DEPTH, NODE_DEPTH } from './limits.js'
import { nearest } from './suggestion.js'
import { CONSTANTS, FIELD_NAMES, FUNCTIONS, isField, JUDGE_FIELDS, MACROS, METHODS } from './vocabulary.js'

/** Text that stands for other text of the same length. */
export interface Replacement {
  readonly start: number
  readonly text: string
}

/** What is known of an expression. */
export interface Survey {
  readonly fields: ReadonlySet<keyof Fields>
  /** Fields without which the expression is false, whatever the others are. */
  readonly needed: ReadonlySet<keyof Fields>
  /** Names of judges, as keys of `verdict`, `score` and `finding`. */
  readonly judges: ReadonlySet<string>
  /** Names that the library uses for itself, and header names in upper case. */
  readonly replacements: readonly Replacement[]
}

type Names = ReadonlySet<keyof Fields>
const NONE: Names = new Set()
const OF_JUDGES: ReadonlySet<string> = new Set(JUDGE_FIELDS)
const OF_HEADERS: ReadonlySet<string> = new Set(['header', 'raw_header'] satisfies (keyof Fields)[])

/**
 * @param renamed fields that the library knows by another name of the same length
 * @throws FilterError for a word that does not exist, and for what is nested too deeply
 */
export function survey(root: ASTNode, renamed: ReadonlyMap<string, string>): Survey {
  const surveyor = new Surveyor(renamed)
  surveyor.visit(root, { names: new Set(), depth: 0, macros: 0, loops: 0, attachment: null })
  const { fields, judges, replacements } = surveyor
  return { fields, needed: neededBy(root), judges, replacements }
}

/** What surrounds a node. */
interface Surroundings {
  /** Names that macros around it brought. */
  readonly names: ReadonlySet<string>
  readonly depth: number
  readonly macros: number
  /** Macros that go through a list which is not written out. */
  readonly loops: number
  /** What the macro closest to it calls an attachment, where that goes through `attachments`; null where it does not. */
  readonly attachment: string | null
}

class Surveyor {
  readonly fields = new Set<keyof Fields>()
  readonly judges = new Set<string>()
  readonly replacements: Replacement[] = []
  /** Tables of judges that stand before a name. */
  readonly #asked = new Set<ASTNode>()
  readonly #renamed: ReadonlyMap<string, string>

  constructor(renamed: ReadonlyMap<string, string>) {
    this.#renamed = renamed
  }

  visit(node: ASTNode, around: Surroundings): void {
    if (around.depth > NODE_DEPTH) throw errorAt(node, `more than ${NODE_DEPTH} conditions within each other`)
    const within = { ...around, depth: around.depth + 1 }
    switch (node.op) {
      case 'id':
        this.#visitName(node, around)
        break
      case 'call':
        this.#checkCall(node)
        break
      case 'rcall':
        this.#visitMethod(node, within)
        return
      case 'map':
        throw errorAt(node, '`{...}` is not possible in a filter')
      case '.':
        this.#takeJudge(node.args[0], node.args[1], around)
        break
      case '[]':
        this.#lowerHeaderName(node.args[0], node.args[1])
        this.#takeJudge(node.args[0], textIn(node.args[1]), around)
        break
      case 'in':
        this.#lowerHeaderName(node.args[1], node.args[0])
        this.#takeJudge(node.args[1], textIn(node.args[0]), around)
        break
      default:
    }
    for (const child of childrenOf(node)) this.visit(child, within)
  }

  #visitName(node: ASTNode & { op: 'id' }, around: Surroundings): void {
    const name = node.args
    if (around.names.has(name) || CONSTANTS.has(name)) return
    if (!isField(name)) throw unknownWord(node, 'field', name, [...FIELD_NAMES, ...CONSTANTS.keys()])
    if (OF_JUDGES.has(name) && !this.#asked.has(node)) {
      throw errorAt(
        node,
        `\`${name}\` takes the name of a judge written out, as in \`${name}.clamd\` or \`${name}["clamd"]\``,
      )
    }
    this.fields.add(name)
    const other = this.#renamed.get(name)
    if (other !== undefined) this.replacements.push({ start: node.start, text: other })
  }

  #checkCall(node: ASTNode & { op: 'call' }): void {
    const [name, args] = node.args
    if (!FUNCTIONS.has(name)) throw unknownWord(node, 'function', name, [...FUNCTIONS.keys()])
    const [first] = args
    if (name === 'known' && first !== undefined && !(first.op === 'id' && isField(first.args))) {
      throw errorAt(first, '`known` takes the name of a field, as in `known(user)`')
    }
  }

  #visitMethod(node: ASTNode & { op: 'rcall' }, around: Surroundings): void {
    const [name, receiver, args] = node.args
    if (!METHODS.has(name)) throw unknownWord(node, 'function', name, [...METHODS.keys()])
    this.visit(receiver, around)
    const [variable, ...rest] = args
    if (!MACROS.has(name) || variable?.op !== 'id') {
      for (const argument of args) this.visit(argument, around)
      return
    }
    const macros = around.macros + 1
    // The names in all attachments together are bounded: going through them of each costs no more than once.
    const isFree = receiver.op === 'list' || isListOf(around.attachment, receiver)
    const loops = around.loops + (isFree ? 0 : 1)
    if (macros > MACRO_DEPTH || loops > 1)
      throw errorAt(node, `\`${name}\` within another one costs too much`)
    const names = new Set(around.names).add(variable.args)
    const attachment = receiver.op === 'id' && receiver.args === 'attachments' ? variable.args : null
    for (const argument of rest) this.visit(argument, { ...around, names, macros, loops, attachment })
  }

  /** @param name null where it is not written out: then the table is refused when it is visited */
  #takeJudge(table: ASTNode, name: string | null, around: Surroundings): void {
    if (table.op !== 'id' || !OF_JUDGES.has(table.args) || around.names.has(table.args)) return
    if (name === null) return
    this.judges.add(name)
    this.#asked.add(table)
  }

  /** Names of header fields are kept in lower case and may be written in any. */
  #lowerHeaderName(table: ASTNode, name: ASTNode): void {
    if (table.op !== 'id' || !OF_HEADERS.has(table.args)) return
    if (name.op !== 'value' || typeof name.args !== 'string') return
    const written = name.input.slice(name.start, name.end)
    // An escape sequence such as \N has a meaning that lower case would change.
    if (written.includes('\\') || /^[rRbB]/.test(written)) return
    this.replacements.push({ start: name.start, text: written.toLowerCase() })
  }
}

/** Whether a node is a list that the attachment of this name has. */
function isListOf(attachment: string | null, node: ASTNode): boolean {
  if (node.op !== '.' || attachment === null) return false
  const [owner] = node.args
  return owner.op === 'id' && owner.args === attachment
}

function textIn(node: ASTNode): string | null {
  return node.op === 'value' && typeof node.args === 'string' ? node.args : null
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
    case 'map':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case '!_':
    case '-_':
      return [node.args]
    default:
      return node.args
  }
}

/** Fields without which a condition does not hold: each of `a && b`, those common to both sides of `a || b`. */
function neededBy(node: ASTNode): Names {
  switch (node.op) {
    case '&&':
      return union(node.args.map(neededBy))
    case '||':
      return common(neededBy(node.args[0]), neededBy(node.args[1]))
    default:
      return failingWithout(node)
  }
}

/** Fields without which a node has no value at all. `!x` has one whenever `x` has. */
function failingWithout(node: ASTNode): Names {
  switch (node.op) {
    case 'id':
      return isField(node.args) ? new Set([node.args]) : NONE
    case '&&':
    case '||':
      return common(failingWithout(node.args[0]), failingWithout(node.args[1]))
    case '?:':
      return failingWithout(node.args[0])
    case 'call':
      return node.args[0] === 'known' ? NONE : union(node.args[1].map(failingWithout))
    case 'rcall':
      // What stands within a macro may use its own name for an element, and is not evaluated for an empty list.
      return MACROS.has(node.args[0])
        ? failingWithout(node.args[1])
        : union(childrenOf(node).map(failingWithout))
    default:
      return union(childrenOf(node).map(failingWithout))
  }
}

function union(sets: readonly Names[]): Names {
  return new Set(sets.flatMap((names) => [...names]))
}

function common(one: Names, other: Names): Names {
  return new Set([...one].filter((name) => other.has(name)))
}

function unknownWord(
  node: ASTNode,
  kind: 'field' | 'function',
  name: string,
  possible: readonly string[],
): FilterError {
  const meant = nearest(name, possible)
  const hint =
    meant !== null
      ? `did you mean \`${meant}\`?`
      : kind === 'function'
        ? `possible here: ${possible.join(', ')}`
        : 'Tab shows all; put text in quotes'
  // A method's name stands behind its receiver; everything else begins with its name.
  const start = node.op === 'rcall' ? node.input.indexOf(name, node.args[1].end) : node.start
  return new FilterError(`unknown ${kind} \`${name}\` (${hint})`, start, name.length)
}

function errorAt(node: ASTNode, message: string): FilterError {
  return new FilterError(message, node.start, node.end - node.start)
}
