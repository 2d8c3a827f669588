/**
 * What is said of an expression that the library refuses: its codes turned into one line for a person, who reads
 * texts and numbers, not strings and doubles.
 */
import { ParseError, TypeError as TypeMismatch } from '@marcbachmann/cel-js'
import { FilterError } from './filter-error.js'
import { ATTACHMENT_NAMES, CONSTANTS } from './vocabulary.js'

const TOKENS: ReadonlyMap<string, string> = new Map([
  ['EOF', 'the end'],
  ['NUMBER', 'a number'],
  ['STRING', 'a text'],
  ['BYTES', 'a text'],
  ['BOOLEAN', '`true` or `false`'],
  ['NULL', '`null`'],
  ['IDENTIFIER', 'a word'],
  ['PLUS', '`+`'],
  ['MINUS', '`-`'],
  ['MULTIPLY', '`*`'],
  ['DIVIDE', '`/`'],
  ['MODULO', '`%`'],
  ['EQ', '`==`'],
  ['NE', '`!=`'],
  ['LT', '`<`'],
  ['LE', '`<=`'],
  ['GT', '`>`'],
  ['GE', '`>=`'],
  ['AND', '`&&`'],
  ['OR', '`||`'],
  ['NOT', '`!`'],
  ['IN', '`in`'],
  ['LPAREN', '`(`'],
  ['RPAREN', '`)`'],
  ['LBRACKET', '`[`'],
  ['RBRACKET', '`]`'],
  ['LBRACE', '`{`'],
  ['RBRACE', '`}`'],
  ['DOT', '`.`'],
  ['COMMA', '`,`'],
  ['COLON', '`:`'],
  ['QUESTION', '`?`'],
])

const SINGLE_SIGNS: ReadonlyMap<string, string> = new Map([
  ['=', 'is equal is written `==`'],
  ['&', 'and is written `&&`'],
  ['|', 'or is written `||`'],
])

/** Names of a type as a person knows it. */
export function typeInWords(type: string): string {
  if (type === 'string') return 'text'
  if (type === 'uint') return 'an unsigned number'
  if (type === 'null') return '`null`'
  if (type === 'int' || type === 'double') return 'a number'
  if (type === 'bool') return 'a yes or no'
  if (type.startsWith('list')) return 'a list'
  if (type.startsWith('map')) return 'a table'
  if (type === 'Attachment') return 'an attachment'
  return `a ${type}`
}

/**
 * Turns what the library threw into a filter's error.
 *
 * @param expression the text that it read
 * @returns the error to throw, its column counted in `expression`
 */
export function wordingOf(error: unknown, expression: string): FilterError {
  if (error instanceof FilterError) return error
  // The library recurses; what gets past the bounds on depth ends at the stack's, and is told here.
  if (error instanceof RangeError) return new FilterError('nested too deeply', 0, expression.length)
  if (!(error instanceof ParseError || error instanceof TypeMismatch)) {
    // Nothing known gets here. If the library has a fault, a person who types must not end the program by it.
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return new FilterError(`this cannot be understood: ${reason}`, 0, expression.length)
  }
  const start = error.range?.start ?? 0
  const end = Math.min(error.range?.end ?? start + 1, expression.length)
  return new FilterError(sentenceOf(error.code, error.summary, expression.slice(start)), start, end - start)
}

function sentenceOf(code: string, summary: string, rest: string): string {
  switch (code) {
    case 'unexpected_character': {
      const found = /^(?:\w+|.)/u.exec(rest)?.[0] ?? ''
      const hint = SINGLE_SIGNS.get(found)
      if (hint !== undefined) return `\`${found}\` is no operator; ${hint}`
      if (CONSTANTS.has(found)) return `\`*\` is missing before \`${found}\`, as in \`2 * ${found}\``
      return `\`${found}\` is not possible here; put text in quotes`
    }
    case 'expected_token':
    case 'unexpected_token':
      return tokenSentence(summary, rest)
    case 'unterminated_string':
    case 'unterminated_triple_quoted_string':
      return 'the text in quotes never ends'
    case 'newline_in_string':
      return 'a text in quotes is one line'
    case 'limit_exceeded':
      return limitSentence(summary)
    case 'reserved_identifier':
      return `\`${summary.replace(/^.*: /, '')}\` is a reserved word; put text in quotes`
    case 'invalid_macro_argument':
      return 'a name for each element comes first, as in `attachments.exists(a, a.size > MB)`'
    case 'no_such_overload':
      return operatorSentence(summary)
    case 'no_matching_overload':
      return callSentence(summary)
    case 'invalid_logical_operand':
      return `\`&&\`, \`||\` and \`!\` join conditions; this is ${typeInWords(lastQuoted(summary))}`
    case 'invalid_condition_type':
      return `a condition is wanted; this is ${typeInWords(lastQuoted(summary))}`
    case 'invalid_comprehension_range':
      return 'this is no list to go through'
    case 'no_such_key':
      return `an attachment has ${inWords(ATTACHMENT_NAMES)}, no \`${summary.replace(/^.*: /, '')}\``
    case 'cannot_index_type':
      return `\`[...]\` and \`.name\` do not go with ${typeInWords(lastQuoted(summary))}`
    default:
      return summary.charAt(0).toLowerCase() + summary.slice(1)
  }
}

function tokenSentence(summary: string, rest: string): string {
  const [, wanted = '', found = ''] = /^(?:Expected (\w+), got|Unexpected token:) (\w+)$/.exec(summary) ?? []
  const word = /^\w+/.exec(rest)?.[0]
  const what = found === 'IDENTIFIER' && word !== undefined ? `\`${word}\`` : (TOKENS.get(found) ?? found)
  if (wanted !== '') {
    const hint = found === 'IDENTIFIER' ? '; put text to search for in double quotes' : ''
    return `${TOKENS.get(wanted) ?? wanted} is missing before ${what}${hint}`
  }
  return found === 'EOF'
    ? 'the expression ends where a value is missing'
    : `a value is missing before ${what}`
}

function limitSentence(summary: string): string {
  const [, limit = '', most = ''] = /^Exceeded (\w+) \((\d+)\)$/.exec(summary) ?? []
  switch (limit) {
    case 'maxDepth':
      return `more than ${most} parentheses within each other`
    case 'maxListElements':
      return `a list has at most ${most} elements`
    case 'maxMapEntries':
      return '`{...}` is not possible in a filter'
    case 'maxCallArguments':
      return `a function takes at most ${most} arguments`
    default:
      return 'the expression is too long'
  }
}

function operatorSentence(summary: string): string {
  const [, left = '', operator = '', right = ''] =
    /^no such overload: (.+) (==|!=|<=|>=|<|>|in|\+|-|\*|\/|%) (.+)$/.exec(summary) ?? []
  if (left === 'null' || right === 'null') {
    return '`null` is not possible in a filter; `known(user)` asks whether a field has a value'
  }
  if (operator !== '')
    return `\`${operator}\` does not go with ${typeInWords(left)} and ${typeInWords(right)}`
  const [, sign = '', operand = ''] = /^no such overload: ([!-])(.+)$/.exec(summary) ?? []
  return `\`${sign}\` does not go with ${typeInWords(operand)}`
}

function callSentence(summary: string): string {
  const [, receiver, name = '', given = ''] = /'(?:(.+)\.)?(\w+)\((.*)\)'$/.exec(summary) ?? []
  const words = given === '' ? 'nothing' : given.split(', ').map(typeInWords).join(', ')
  const of = receiver === undefined ? '' : ` of ${typeInWords(receiver)}`
  return `\`${name}\`${of} does not take ${words}`
}

function inWords(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`
}

function lastQuoted(summary: string): string {
  return /'([^']*)'[^']*$/.exec(summary)?.[1] ?? 'value'
}
