/**
 * The text of an HTML part, as far as a person needs it to know what a message says. Owns which tags break a line and
 * what is left out; draws nothing, follows nothing and looks at each character once.
 */

/** Tags whose content is no text, with what ends it. */
const HIDDEN: ReadonlyMap<string, RegExp> = new Map(
  ['script', 'style', 'head', 'title', 'template'].map((name) => [name, new RegExp(`</${name}`, 'gi')]),
)
const BREAKING: ReadonlySet<string> = new Set(
  'address article blockquote br div dl dt dd footer h1 h2 h3 h4 h5 h6 header hr li ol p pre section table tr ul'.split(
    ' ',
  ),
)
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
  ['euro', '€'],
  ['copy', '©'],
  ['reg', '®'],
  ['hellip', '…'],
  ['ndash', '–'],
  ['mdash', '—'],
  ['auml', 'ä'],
  ['ouml', 'ö'],
  ['uuml', 'ü'],
  ['Auml', 'Ä'],
  ['Ouml', 'Ö'],
  ['Uuml', 'Ü'],
  ['szlig', 'ß'],
])

/**
 * Takes the tags out of HTML.
 *
 * @returns lines joined by LF, not harmless yet
 * Never fails.
 */
export function textOfHtml(html: string): string {
  const pieces: string[] = []
  let at = 0
  while (at < html.length) {
    const tag = html.indexOf('<', at)
    if (tag < 0) {
      pieces.push(collapsed(html.slice(at)))
      break
    }
    pieces.push(collapsed(html.slice(at, tag)))
    at = endOfTag(html, tag)
    const name = /^<(\/?[a-zA-Z][a-zA-Z0-9]*)/.exec(html.slice(tag, tag + 20))?.[1]?.toLowerCase() ?? ''
    if (BREAKING.has(name.replace('/', ''))) pieces.push('\n')
    else if (name === 'td' || name === 'th') pieces.push(' ')
    const end = HIDDEN.get(name)
    if (end !== undefined) at = behindHidden(html, at, end)
  }
  return pieces
    .join('')
    .split('\n')
    .map((line) => decodeEntities(line.trim()))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

function collapsed(text: string): string {
  return text.replace(/\s+/g, ' ')
}

function endOfTag(html: string, tag: number): number {
  const isComment = html.startsWith('<!--', tag)
  const end = html.indexOf(isComment ? '-->' : '>', tag)
  return end < 0 ? html.length : end + (isComment ? 3 : 1)
}

function behindHidden(html: string, from: number, end: RegExp): number {
  end.lastIndex = from
  const found = end.exec(html)
  return found === null ? html.length : endOfTag(html, found.index)
}

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{1,8}));/g,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return ENTITIES.get(name) ?? whole
      const code = decimal === undefined ? Number.parseInt(hex, 16) : Number.parseInt(decimal, 10)
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}
