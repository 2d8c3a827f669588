/**
 * Which attachments a rule means: file names with `*` and `?`, a pattern, media types.
 */
import { compilePattern } from '../expression/pattern.js'
import type { IsMeant } from './action.js'

/** What a rule file says of attachments. Without any of it, all are meant. */
export interface AttachmentWish {
  readonly names?: readonly string[] | undefined
  readonly pattern?: string | undefined
  readonly types?: readonly string[] | undefined
}

/**
 * Makes the question out of the wish: an attachment is meant where, of either name that it has, one of the names, the pattern or one of the types
 * fits, in any case.
 *
 * @throws PatternError for a pattern that is none, or a name that is too long
 */
export function attachmentMatch({ names, pattern, types }: AttachmentWish): IsMeant {
  const ofNames = [...(names ?? []).map(wildcardPattern), ...(pattern === undefined ? [] : [pattern])].map(
    compilePattern,
  )
  const ofTypes = (types ?? []).map((type) => compilePattern(wildcardPattern(type)))
  if (ofNames.length + ofTypes.length === 0) return () => true
  return ({ name, otherName = '', type }) =>
    ofNames.some((each) => each.isIn(name) || (otherName !== '' && each.isIn(otherName))) ||
    ofTypes.some((each) => each.isIn(type))
}

/** `*` is any text, `?` one character, everything else itself. */
export function wildcardPattern(wildcard: string): string {
  const source = wildcard.replace(/[^\p{L}\p{N}]/gu, (sign) => {
    if (sign === '*') return '.*'
    return sign === '?' ? '.' : `\\x{${(sign.codePointAt(0) ?? 0).toString(16)}}`
  })
  return `(?is)^${source}$`
}
