/**
 * What each tab of the message screen shows, as a document: so many lines, each made when it is looked at. Owns the
 * wording of headers, parts, octets and differences; knows nothing of keys, tabs or where on the screen it stands.
 */
import { fieldNamed, type HeaderDefect, type HeaderField } from '../../mail/header.js'
import type { Attachment } from '../../mail/message.js'
import type { MimePart, OutlineDefect } from '../../mail/outline.js'
import { ruleHitText } from '../../sessions/rule-hits.js'
import { decodeText } from '../../trace/safe-text.js'
import { padTo, wrapTo } from '../cells.js'
import type { Row, Style } from '../frame.js'
import { row, span, spreadRow, tableRow } from '../spans.js'
import { hexLine, hexLineCount } from './hex-lines.js'
import type { DifferenceLine } from './line-difference.js'
import type { OpenedMessage, ReadVersion } from './opened-message.js'
import { octetsText } from './quantities.js'

/** Lines to look at, of which only those in sight are made. */
export interface MessageDocument {
  readonly title: string
  readonly count: number
  rowAt(index: number): Row
  /** The same line as text, for search and copy. */
  textAt(index: number): string
}

/** The room that a document is made for. */
export interface DocumentForm {
  readonly width: number
  readonly isUnicode: boolean
}

const NAME_CELLS = 14
/** Octets of a raw line that are decoded for one row: a line without end must not be looked at as a whole. */
const MOST_ROW_OCTETS = 4

/** What everybody looks for in a mail, in the order of dashboards since elm. */
const SUMMARY_FIELDS: readonly string[] = ['From', 'To', 'Subject', 'Date', 'Message-ID']

const HEADER_DEFECTS: Readonly<Record<HeaderDefect, string>> = {
  'no-blank-line': 'no blank line ends the header section',
  'line-without-colon': 'a line without a colon stands among the fields',
  'continuation-first': 'the header section begins with a continuation line',
  'bare-line-end': 'lines end with a bare CR or LF',
  'too-many-octets': 'the header section is too long: fields at its end are left out here',
  'too-many-fields': 'too many fields: those at the end are left out here',
}

const OUTLINE_DEFECTS: Readonly<Record<OutlineDefect, string>> = {
  'too-many-parts': 'too many parts: those at the end are left out here',
  'too-deep': 'parts nest too deep: what is below is left out here',
  'too-many-boundary-lines': 'too many lines that could be boundaries: some were not looked at',
  'no-boundary': 'a multipart names no boundary',
  'boundary-never-closed': 'a multipart never ends: its closing boundary is missing',
  'no-parts': 'a multipart has no parts',
}

/** The header section, every field decoded and told what it was encoded in. */
export function decodedHeaders({ facts }: ReadVersion, { width }: DocumentForm): MessageDocument {
  const { header } = facts
  const room = Math.max(8, width - NAME_CELLS - 2)
  const lines = header.fields.flatMap((field) => fieldLines(field, room))
  const defects = header.defects.map((defect) => ({
    name: '!',
    text: HEADER_DEFECTS[defect],
    style: 'attention' as const,
  }))
  return lined(`Headers, decoded (${header.fields.length} fields)`, [...lines, ...defects])
}

/** The header section as it was written, continuation lines included. */
export function rawHeaders(version: ReadVersion, { width }: DocumentForm): MessageDocument {
  const { header } = version.facts
  const written = header.fields.map(({ raw }) => decodeText(raw).replace(/\r\n$/, ''))
  const lines = written.flatMap((text) => wrapTo(text, Math.max(1, width - 2)))
  return {
    title: 'Headers, as written',
    count: lines.length,
    rowAt: (index) => row(' ', lines[index] ?? ''),
    textAt: (index) => lines[index] ?? '',
  }
}

/**
 * The fields that people look for first.
 *
 * @returns one row for each that the message has
 */
export function headerSummary({ facts }: ReadVersion): readonly Row[] {
  const rows = SUMMARY_FIELDS.flatMap((name): readonly Row[] => {
    const field = fieldNamed(facts.header, name)
    return field === null
      ? []
      : [row(span(` ${padTo(name, NAME_CELLS - 4)} `, 'dim'), span(shownValue(field)))]
  })
  return rows.length > 0
    ? rows
    : [row(span(' This message has none of the headers that people look for.', 'dim'))]
}

/** The parts as a tree, with their sizes. */
export function outlineDocument(version: ReadVersion, form: DocumentForm, selected: string): MessageDocument {
  const { root, defects } = version.facts.outline
  const lines = treeLines(root, form.isUnicode)
  const notes = defects.map((defect) => OUTLINE_DEFECTS[defect])
  return {
    title: `MIME (${lines.length} part${lines.length === 1 ? '' : 's'})`,
    count: lines.length + notes.length,
    rowAt: (index) => {
      const line = lines[index]
      if (line === undefined) return row(span(` ! ${notes[index - lines.length] ?? ''}`, 'attention'))
      const isSelected = line.part.path === selected
      const style: Style = isSelected ? 'selected' : 'plain'
      const left = row(span(`${isSelected ? '>' : ' '} ${line.text}`, style))
      return spreadRow(
        left,
        row(span(`${octetsText(line.part.octets).padStart(7)} `, style)),
        form.width,
        style,
      )
    },
    textAt: (index) => lines[index]?.text ?? notes[index - lines.length] ?? '',
  }
}

/** The text of a part, or why there is none. */
export function textDocument(version: ReadVersion, { width }: DocumentForm, part: MimePart): MessageDocument {
  const shown = textPartOf(part)
  if (shown === null) return noText(part)
  const { lines, bidiControls } = version.text(shown)
  const from = shown.charset === null ? '' : `, decoded from ${shown.charset}`
  const html = shown.type === 'text/html' ? ', tags left out' : ''
  const wrapped = lines.flatMap((line) => wrapTo(line, Math.max(1, width - 2)))
  const bidi =
    bidiControls === 0
      ? []
      : [
          `[${bidiControls} bidi control${bidiControls === 1 ? '' : 's'}, shown as a dot: text may pose as other text]`,
        ]
  const all = [...bidi, ...wrapped]
  return {
    title: `Text of ${shown.path} (${shown.type}${from}${html})`,
    count: all.length,
    rowAt: (index) => row(' ', span(all[index] ?? '', index < bidi.length ? 'attention' : 'plain')),
    textAt: (index) => all[index] ?? '',
  }
}

/** Names in an archive, as many as could ever be read in a row. */
const SHOWN_FILES = 20

function inArchive({ files, isUnlisted }: Attachment): string {
  const names = [
    ...files.slice(0, SHOWN_FILES),
    ...(files.length > SHOWN_FILES ? [`and ${files.length - SHOWN_FILES} more`] : []),
    ...(isUnlisted ? ['and what cannot be read'] : []),
  ]
  return names.length === 0 ? '' : ` [${names.join(', ')}]`
}

/** Attachments by name, type and size; of archives the names in them. */
export function attachmentsDocument(
  { facts }: ReadVersion,
  { width }: DocumentForm,
  selected: string,
): MessageDocument {
  const { attachments } = facts
  const title = `Attachments (${attachments.length})`
  if (attachments.length === 0)
    return {
      ...lined(title, []),
      count: 1,
      rowAt: () =>
        row(span(' This message has no attachment: no part has a file name or calls itself one.', 'dim')),
    }
  const line = (index: number): readonly [string, string, string, string] => {
    const attachment = attachments[index]
    if (attachment === undefined) return ['', '', '', '']
    const name = attachment.name === '' ? '(no name)' : attachment.name
    return [attachment.path, `${name}${inArchive(attachment)}`, attachment.type, octetsText(attachment.size)]
  }
  return {
    title,
    count: attachments.length,
    rowAt: (index) => {
      const isSelected = attachments[index]?.path === selected
      const [path, name, type, size] = line(index)
      const typeWidth = Math.min(40, Math.floor(width / 3))
      return tableRow(
        [
          { text: isSelected ? '>' : ' ', width: 1 },
          { text: path, width: 6 },
          { text: name, width: Math.max(8, width - typeWidth - 20) },
          { text: type, width: typeWidth },
          { text: size, width: 8, align: 'right' },
        ],
        isSelected ? 'selected' : 'plain',
      )
    },
    textAt: (index) => line(index).join('\t'),
  }
}

/** The whole message line by line, with byte-stuffing removed. */
export function rawDocument({ lines }: ReadVersion, { width }: DocumentForm, shift: number): MessageDocument {
  const digits = Math.max(4, String(lines.count).length)
  return {
    title: `Raw (${lines.count} lines, byte-stuffing removed${shift === 0 ? '' : `, from column ${shift + 1}`})`,
    count: lines.count,
    rowAt: (index) =>
      row(
        span(`${String(index + 1).padStart(digits)} `, 'dim'),
        span(lines.lineAt(index, shift, width * MOST_ROW_OCTETS)),
      ),
    textAt: (index) => lines.lineAt(index),
  }
}

/** The decoded octets of a part. */
export function hexDocument(version: ReadVersion, part: MimePart): MessageDocument {
  const octets = version.content(part)
  const decoded =
    part.encoding === '7bit' || part.encoding === '8bit' || part.encoding === 'binary' ? '' : ', decoded'
  return {
    title: `Hex of ${part.path} (${part.type}${decoded}, ${octets.length} octets)`,
    count: hexLineCount(octets),
    rowAt: (index) => row(' ', span(hexLine(octets, index))),
    textAt: (index) => hexLine(octets, index),
  }
}

/** What the server sent against what the client got. */
export function differenceDocument(opened: OpenedMessage, { width }: DocumentForm): MessageDocument {
  const title = 'Diff: server > client'
  const rules = opened.rules
    .flatMap((hit) => wrapTo(ruleHitText(hit), Math.max(8, width - 4)))
    .map((text): DifferenceLine => ({ kind: 'note', text }))
  const { difference } = opened
  if (difference === null && rules.length === 0)
    return lined(title, [{ name: '', text: undiffered(opened), style: 'dim' }])
  const lines = [...rules, ...(difference ?? [{ kind: 'same', text: undiffered(opened) } as const])]
  return {
    title,
    count: lines.length,
    rowAt: (index) => differenceRow(lines[index]),
    textAt: (index) => differenceText(lines[index]),
  }
}

/** Why nothing is compared. */
function undiffered({ sent, original }: OpenedMessage): string {
  if (sent === null) return 'The client got what the server sent, octet for octet.'
  return original === null ? 'What the server sent was not kept: there is nothing to compare with.' : ''
}

const DIFFERENCE_MARKS = { same: '  ', removed: '- ', added: '+ ', note: '  ' } as const
const DIFFERENCE_STYLES: Readonly<Record<DifferenceLine['kind'], Style>> = {
  same: 'dim',
  removed: 'server',
  added: 'postern',
  note: 'bold',
}

function differenceRow(line: DifferenceLine | undefined): Row {
  return line === undefined ? [] : row(' ', span(differenceText(line), DIFFERENCE_STYLES[line.kind]))
}

function differenceText(line: DifferenceLine | undefined): string {
  return line === undefined ? '' : `${DIFFERENCE_MARKS[line.kind]}${line.text}`
}

interface NamedLine {
  readonly name: string
  readonly text: string
  readonly style: Style
}

function lined(title: string, lines: readonly NamedLine[]): MessageDocument {
  return {
    title,
    count: lines.length,
    rowAt: (index) => {
      const line = lines[index]
      if (line === undefined) return []
      return line.name === '' && line.style === 'dim'
        ? row(' ', span(line.text, line.style))
        : row(span(` ${padTo(line.name, NAME_CELLS)} `, 'dim'), span(line.text, line.style))
    },
    textAt: (index) => {
      const line = lines[index]
      return line === undefined ? '' : line.name === '' ? line.text : `${line.name}: ${line.text}`
    },
  }
}

function fieldLines(field: HeaderField, room: number): readonly NamedLine[] {
  return wrapTo(shownValue(field), room).map((text, index) => ({
    name: index === 0 ? field.name : '',
    text,
    style: 'plain',
  }))
}

/** The decoded value, and what it was encoded in. RFC 2047 §2. */
function shownValue({ value, raw }: HeaderField): string {
  const encodings = new Set<string>()
  for (const [, charset = '', encoding = ''] of decodeText(raw).matchAll(
    /=\?([^?*\s]{1,40})(?:\*[^?\s]*)?\?([BQ])\?/gi,
  ))
    encodings.add(`${charset.toLowerCase()}/${encoding.toUpperCase()}`)
  return encodings.size === 0 ? value : `${value}  (${[...encodings].slice(0, 3).join(', ')})`
}

interface TreeLine {
  readonly part: MimePart
  readonly text: string
}

function treeLines(root: MimePart, isUnicode: boolean): readonly TreeLine[] {
  const marks = isUnicode
    ? { branch: '├─ ', last: '└─ ', through: '│  ', none: '   ' }
    : { branch: '|- ', last: '`- ', through: '|  ', none: '   ' }
  const lines: TreeLine[] = []
  const add = (part: MimePart, lead: string, below: string): void => {
    lines.push({ part, text: `${part.path.padEnd(6)} ${lead}${partText(part)}` })
    for (const [index, child] of part.children.entries()) {
      const isLast = index === part.children.length - 1
      add(child, below + (isLast ? marks.last : marks.branch), below + (isLast ? marks.none : marks.through))
    }
  }
  add(root, '', '')
  return lines
}

function partText({ type, charset, encoding, name, disposition, children }: MimePart): string {
  const facts = children.length > 0 ? [] : [charset, encoding === '7bit' ? null : encoding, disposition]
  const named = name === null ? '' : `  "${name}"`
  return [type, ...facts.filter((fact) => fact !== null)].join('; ') + named
}

/** The part whose text is shown: the one given, or the first within it that is text; null where none is. */
export function textPartOf(part: MimePart): MimePart | null {
  if (part.children.length === 0) return part.type.startsWith('text/') ? part : null
  const within = leavesOf(part)
  return (
    within.find(({ type }) => type === 'text/plain') ??
    within.find(({ type }) => type.startsWith('text/')) ??
    null
  )
}

function leavesOf(part: MimePart): readonly MimePart[] {
  return part.children.length === 0 ? [part] : part.children.flatMap(leavesOf)
}

function noText(part: MimePart): MessageDocument {
  const text =
    part.children.length === 0
      ? `Part ${part.path} is ${part.type}, no text: x shows its octets, s saves it.`
      : `Part ${part.path} is ${part.type} without a text part in it.`
  return lined(`Text of ${part.path} (${part.type})`, [{ name: '', text, style: 'dim' }])
}
