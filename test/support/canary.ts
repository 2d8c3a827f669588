/**
 * A credential to look for where none may be: in every print of an event but its octets. Used by the properties
 * and by the fuzzer.
 */
import { inspect } from 'node:util'
import type { ClientEvent } from '../../src/pop3/command-decoder.js'
import type { ServerEvent } from '../../src/pop3/reply-decoder.js'

/** Fits no form of an argument that may be shown but a user name's, and fills whole groups of base64. */
export const CANARY = 'c4nary~hides'
export const CANARY_BASE64 = Buffer.from(CANARY).toString('base64')

/** An event with some of its fields taken out. */
interface Printed {
  readonly wire: Buffer
  readonly [field: string]: unknown
}

const FORMS = [CANARY, CANARY_BASE64, Buffer.from(CANARY).toString('hex')].map((form) => form.toLowerCase())

/** Everything that an event prints, its octets left out, in lower case. */
export function printsOf(event: { readonly wire: Buffer }): string {
  const { wire, ...shown } = event
  return [JSON.stringify(shown), inspect(shown, { depth: null, showHidden: true }), String(shown)]
    .join('\n')
    .toLowerCase()
}

/**
 * Looks for the canary in what a decoded event prints.
 *
 * @returns what it printed, or null where the canary is nowhere in it
 */
export function leakIn(event: ClientEvent | ServerEvent): string | null {
  const prints = printsOf(withoutLawfulText(event))
  return FORMS.some((form) => prints.includes(form)) ? prints : null
}

/**
 * A user name is shown: that it is a password typed in the wrong place cannot be known. What a server writes into
 * a status line is shown too. Neither is a credential by its place.
 */
function withoutLawfulText(event: ClientEvent | ServerEvent): Printed {
  if (event.type === 'greeting') return { ...event, status: null, timestamp: null }
  if (event.type === 'reply') return { ...event, status: null }
  if (event.type !== 'command' || event.command.grammar.arguments[0] !== 'user-name') return event
  const [name, ...others] = event.command.arguments
  const isOneWord = name !== undefined && !/[\s\0]/.test(name)
  return isOneWord ? { ...event, command: { ...event.command, arguments: others } } : event
}
