/**
 * Case as the protocol has it: letters are those of ASCII, whatever other octets mean in Latin-1. Owns nothing
 * but that rule.
 */

const BEYOND_ASCII = /[^\x00-\x7f]/
const LOWER_CASE = /[a-z]+/g

/**
 * Writes text in upper case, ASCII letters only. `String.toUpperCase` makes "SS" of Latin-1 "ß", and so the verb
 * PASS of `PA\xdf`, which no server takes for one; "ÿ" and "µ" even leave Latin-1.
 */
export function upperCaseOf(text: string): string {
  if (!BEYOND_ASCII.test(text)) return text.toUpperCase()
  return text.replace(LOWER_CASE, (letters) => letters.toUpperCase())
}
