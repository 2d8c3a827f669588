/**
 * What the environment says about a terminal: whether it can show a dashboard at all, with which characters and
 * colours. Pure; the terminal itself is `screen.ts`'s.
 */

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What a terminal can show. */
export interface TerminalFacts {
  /** Characters beyond ASCII, by the locale. */
  readonly isUnicode: boolean
  /** Colours, unless NO_COLOR asks for none. */
  readonly hasColour: boolean
  /** Name under which its abilities are looked up. */
  readonly name: string
}

/** Reads what a terminal can show. */
export function terminalFacts(environment: Environment): TerminalFacts {
  const locale = [environment.LC_ALL, environment.LC_CTYPE, environment.LANG].find(isSet) ?? ''
  return {
    isUnicode: /utf-?8/i.test(locale),
    hasColour: !isSet(environment.NO_COLOR),
    name: terminalName(environment.TERM ?? ''),
  }
}

/**
 * Says why a dashboard cannot be shown.
 *
 * @returns one line with what to do instead; null where it can
 */
export function dashboardObstacle(
  input: { readonly isTTY?: boolean },
  output: { readonly isTTY?: boolean },
  environment: Environment,
): string | null {
  const instead = 'postern dump shows the same as lines of text'
  if (output.isTTY !== true) return `the dashboard needs a terminal, and standard output is none: ${instead}`
  if (input.isTTY !== true) return `the dashboard needs a terminal, and standard input is none: ${instead}`
  const term = environment.TERM ?? ''
  if (term === 'dumb')
    return `the dashboard needs a terminal that can move its cursor, and TERM is dumb: ${instead}`
  return null
}

/** tmux and GNU screen understand xterm; blessed stumbles over the terminfo entries of their own names. */
function terminalName(term: string): string {
  if (term === '' || /^(screen|tmux)/.test(term)) return 'xterm-256color'
  return term
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
