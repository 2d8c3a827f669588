/**
 * The typed environment of all expressions: {@link FIELD_FACTS} and its neighbours taught to the CEL library. Owns
 * how values enter an evaluation: numbers as they are, patterns compiled when the expression is read.
 */
import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import type { AttachmentFields, Fields } from './fields.js'
import { FilterError } from './filter-error.js'
import { PARSER_LIMITS } from './limits.js'
import { parseNetwork } from './network.js'
import { compilePattern, type Pattern, PatternCache, PatternError } from './pattern.js'
import { CONSTANTS, FIELD_FACTS, FIELD_NAMES, type FieldType } from './vocabulary.js'

const TYPES: Readonly<Record<FieldType, string>> = {
  text: 'string',
  // All numbers are doubles: JavaScript's own, without a conversion for each evaluation.
  number: 'double',
  'yes or no': 'bool',
  table: 'map<string, string>',
  numbers: 'map<string, double>',
  list: 'list<Attachment>',
}

const SYNC = { async: false } as const

/** Fields whose name the library uses for itself, such as `type`, with the name they have there: of the same length. */
const renamed = new Map<string, string>()

/** Names of fields to replace before {@link ENVIRONMENT} reads an expression. */
export const RENAMED_FIELDS: ReadonlyMap<string, string> = renamed

/** One attachment within an evaluation. The library knows a type by its class. */
class AttachmentValue {
  readonly #attachment: AttachmentFields

  constructor(attachment: AttachmentFields) {
    this.#attachment = attachment
  }

  get name(): string {
    return this.#attachment.name
  }

  get other_name(): string {
    return this.#attachment.otherName ?? ''
  }

  get type(): string {
    return this.#attachment.type
  }

  get size(): number {
    return this.#attachment.size
  }

  get files(): readonly string[] {
    return this.#attachment.files ?? []
  }

  get is_unlisted(): boolean {
    return this.#attachment.isUnlisted ?? false
  }
}

/** Reads, checks and evaluates. Built once: that takes some milliseconds, an expression some microseconds. */
export const ENVIRONMENT: Environment = buildEnvironment()

/** The values of one evaluation by the names that the library knows: read when asked for, so that lazy ones stay so. */
export class EvaluationContext {
  readonly fields: Fields

  static {
    for (const name of FIELD_NAMES) {
      Object.defineProperty(EvaluationContext.prototype, renamed.get(name) ?? name, {
        get(this: EvaluationContext) {
          if (name !== 'attachments') return this.fields[name]
          return this.fields.attachments?.map((attachment) => new AttachmentValue(attachment))
        },
      })
    }
  }

  constructor(fields: Fields) {
    this.fields = fields
  }
}

function buildEnvironment(): Environment {
  const environment = new Environment({ limits: PARSER_LIMITS })
  environment.registerType('Attachment', {
    ctor: AttachmentValue,
    fields: {
      name: 'string',
      other_name: 'string',
      type: 'string',
      size: 'double',
      files: 'list<string>',
      is_unlisted: 'bool',
    },
  })
  for (const name of FIELD_NAMES) {
    if (environment.hasVariable(name)) renamed.set(name, name.toUpperCase())
    environment.registerVariable(renamed.get(name) ?? name, TYPES[FIELD_FACTS[name].type])
  }
  for (const [name, value] of CONSTANTS) environment.registerConstant(name, 'double', value)
  addNumbers(environment)
  addFunctions(environment)
  return environment
}

/** Whole numbers are BigInt in CEL; beside a field they count as the number they are. */
function addNumbers(environment: Environment): void {
  environment.registerOperator('double == int', (one: number, other: bigint) => one === Number(other))
  for (const [left, right] of [
    ['double', 'int'],
    ['int', 'double'],
  ] as const) {
    environment.registerOperator(`${left} + ${right}: double`, (a, b) => Number(a) + Number(b))
    environment.registerOperator(`${left} - ${right}: double`, (a, b) => Number(a) - Number(b))
    environment.registerOperator(`${left} * ${right}: double`, (a, b) => Number(a) * Number(b))
    environment.registerOperator(`${left} / ${right}: double`, (a, b) => Number(a) / Number(b))
  }
  environment.registerOperator('double in list<int>', (one: number, list: readonly bigint[]) =>
    list.some((element) => Number(element) === one),
  )
}

function addFunctions(environment: Environment): void {
  environment.registerFunction('inNetwork(ast, ast): bool', networkMacro, SYNC)
  environment.registerFunction('known(ast): bool', knownMacro, SYNC)
  // The library's own string.matches runs JavaScript's regular expressions and cannot be registered again. A macro
  // is found by name and number of arguments before any function: of whatever receiver, `matches` ends up here.
  environment.registerFunction('list.matches(ast): bool', matchesMacro, SYNC)
}

/** What the library gives to a macro, when an expression is read, checked and evaluated. */
interface MacroCall {
  readonly args: readonly [ASTNode, ASTNode]
  readonly receiver: ASTNode
}
interface Checker {
  check(node: ASTNode, context: unknown): { readonly type: string }
  getType(name: string): unknown
}
interface Evaluator {
  run(node: ASTNode, context: unknown): unknown
}

function matchesMacro({ args: [pattern], receiver }: MacroCall): object {
  return searchMacro('`matches` takes a text with a pattern', receiver, pattern, patternOf(pattern))
}

/** @returns the search for a pattern that is written out; a cache for one that is known only when evaluated */
function patternOf(node: ASTNode): Search {
  if (node.op !== 'value' || typeof node.args !== 'string') {
    const cache = new PatternCache()
    return (text, source) => cache.get(source).isIn(text)
  }
  const pattern = patternWrittenIn(node, node.args)
  return (text) => pattern.isIn(text)
}

function patternWrittenIn(node: ASTNode, source: string): Pattern {
  try {
    return compilePattern(source)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    throw new FilterError(error.message, node.start, node.end - node.start)
  }
}

function networkMacro({ args: [address, network] }: MacroCall): object {
  const isWritten = network.op === 'value' && typeof network.args === 'string'
  const known = isWritten && typeof network.args === 'string' ? parseNetwork(network.args) : null
  if (known === null) {
    const message = '`inNetwork` takes a network written out, such as "10.0.0.0/8" or "2001:db8::/32"'
    throw new FilterError(message, network.start, network.end - network.start)
  }
  return searchMacro('`inNetwork` takes an address and a network', address, network, (text) =>
    known.has(text),
  )
}

type Search = (text: string, argument: string) => boolean

/** A macro over two texts. */
function searchMacro(usage: string, subject: ASTNode, argument: ASTNode, search: Search): object {
  return {
    ...SYNC,
    typeCheck(checker: Checker, _macro: unknown, context: unknown) {
      for (const node of [subject, argument]) {
        if (checker.check(node, context).type === 'string') continue
        throw new FilterError(usage, node.start, node.end - node.start)
      }
      return checker.getType('bool')
    },
    evaluate(evaluator: Evaluator, _macro: unknown, context: unknown) {
      return search(String(evaluator.run(subject, context)), String(evaluator.run(argument, context)))
    },
  }
}

/** `known(user)`: the survey has seen to it that the argument is a field. */
function knownMacro({ args: [field] }: { readonly args: readonly [ASTNode] }): object {
  return {
    ...SYNC,
    typeCheck(checker: Checker, _macro: unknown, context: unknown) {
      checker.check(field, context)
      return checker.getType('bool')
    },
    evaluate(_evaluator: Evaluator, _macro: unknown, context: { getValue(name: unknown): unknown }) {
      return context.getValue(field.args) !== undefined
    },
  }
}
