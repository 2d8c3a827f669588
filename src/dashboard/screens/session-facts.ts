/**
 * What is told of a session above and beside its dialogue: who with whom, how each leg is protected and by which
 * certificate, how the login went. Knows nothing of the dialogue.
 */
import type { LoginExplanation } from '../../sessions/explain-login.js'
import type { SessionRecord } from '../../sessions/session-record.js'
import type { CertificateFacts, TlsFacts } from '../../trace/event.js'
import { cutTo, widthOf, wrapTo } from '../cells.js'
import type { Row, Span, Style } from '../frame.js'
import { cutRow, row, rowWidth, span, spreadRow } from '../spans.js'
import { enoughFor } from './enough-text.js'
import { ageText, octetsText } from './quantities.js'
import { withoutScheme } from './session-columns.js'

const LABEL_CELLS = 8
/** A name may be as long as its sender likes; who is connected with whom must stay in sight. */
const USER_SHARE = 0.3
const DAY_MS = 86_400_000
/** A certificate that ends within so many days deserves a look: who renews it has yet to do so. */
const SOON_DAYS = 14

/** What of it is to be seen. */
export interface FactsView {
  readonly width: number
  readonly now: number
  /** Fewer rows where there are few at all. */
  readonly isShort: boolean
  readonly isLoginUnfolded: boolean
}

/**
 * Makes the rows above the dialogue.
 */
export function factRows(session: SessionRecord, login: LoginExplanation, view: FactsView): readonly Row[] {
  const { width, isShort, isLoginUnfolded } = view
  const legs = isShort
    ? []
    : [
        labelled('client', legText(clientWay(session), session.clientTls, view.now)),
        labelled('server', legText(serverWay(session), session.serverTls, view.now)),
        octetsRow(session),
      ]
  const loginRows = [loginRow(login, width), ...(isLoginUnfolded ? loginLines(login, width) : [])]
  return [titleOf(session, view), ...legs, ...loginRows].map((each) => cutRow(each, width))
}

/**
 * Makes the rows of the TLS pane: everything that is known of both legs.
 */
export function tlsRows(session: SessionRecord, width: number, now: number): readonly Row[] {
  const rows = [
    ...legRows(
      "The client's leg",
      clientWay(session),
      session.clientTls,
      'certificate that postern showed',
      now,
    ),
    [],
    ...legRows(
      "The server's leg",
      serverWay(session),
      session.serverTls,
      'certificate that the server showed',
      now,
    ),
  ]
  return rows.map((each) => cutRow(each, width))
}

function titleOf(session: SessionRecord, { width, now }: FactsView): Row {
  const { ordinal, user, client, listener, server, state, closed } = session
  const lasted = ageText((session.closedAt ?? now) - session.openedAt)
  const end = closed === null ? '' : ` (${closed.reason})`
  const left = row(
    span(` #${ordinal} `, 'bold'),
    span(named(user ?? '(no user yet)', Math.floor(width * USER_SHARE)), 'bold'),
    span('  '),
  )
  const right = row(span(`  ${state}${end}  ${lasted} `, closed?.reason === 'failed' ? 'error' : 'bold'))
  const room = width - rowWidth(left) - rowWidth(right)
  const way = `${client} > ${withoutScheme(listener)} > ${withoutScheme(server)}`
  // Both ends say more than what lies between them.
  const shown = widthOf(way) <= room ? way : `${client} > ${withoutScheme(server)}`
  return spreadRow([...left, span(shown)], right, width)
}

function named(user: string, cells: number): string {
  return cutTo(enoughFor(user, cells), cells)
}

function octetsRow(session: SessionRecord): Row {
  const { octets, commands, messages, held, wasChanged, rules, missedEvents } = session
  const { fromClient, toClient } = octets
  const counts = `C>S ${octetsText(fromClient)}, S>C ${octetsText(toClient)}   ${plural(commands, 'command')}, ${plural(messages, 'message')}`
  return [
    ...labelled('octets', row(span(counts))),
    ...row(
      held.size > 0 ? span(`   ${held.size} HELD`, 'attention') : null,
      wasChanged ? span('   CHANGED', 'attention') : null,
      rules.size > 0 ? span(`   rules: ${[...rules].join(', ')}`) : null,
      missedEvents > 0 ? span(`   ${plural(missedEvents, 'event')} missing: not kept`, 'attention') : null,
    ),
  ]
}

function loginRow({ outcome, headline, lines }: LoginExplanation, width: number): Row {
  const more = row(span(lines.length > 0 ? ' [l] ' : '', 'dim'))
  const style: Style = outcome === 'refused' || outcome === 'failed' ? 'error' : 'plain'
  const room = width - LABEL_CELLS - 2 - rowWidth(more)
  const shown = widthOf(headline) <= room ? headline : withoutLegs(headline)
  return spreadRow(labelled('login', row(span(shown, style))), more, width)
}

/** How each leg is protected stands in the rows above, and in the lines that `l` unfolds. */
function withoutLegs(headline: string): string {
  const legs = headline.lastIndexOf(': client leg ')
  return legs === -1 ? headline : headline.slice(0, legs)
}

function loginLines({ lines }: LoginExplanation, width: number): readonly Row[] {
  const indent = ' '.repeat(LABEL_CELLS + 2)
  return lines.flatMap((line) =>
    wrapTo(line, Math.max(8, width - indent.length - 2)).map((text, index) =>
      row(span(index === 0 ? `${indent}- ` : `${indent}  `, 'dim'), span(text)),
    ),
  )
}

function legText(way: string, tls: TlsFacts | null, now: number): Row {
  if (tls === null) return row(span(way))
  const { protocol, cipher, serverName, certificate } = tls
  const name = serverName === null ? '' : `, SNI ${serverName}`
  // What a narrow screen cuts off is on the TLS pane; who it is and until when is looked for first.
  return row(
    span(`${way}, ${protocol}`),
    certificate === null ? null : span(`, ${certificate.subject}`),
    certificate === null ? null : untilSpan(certificate, now, ' until '),
    span(`; ${cipher}${name}`, 'dim'),
  )
}

function legRows(
  title: string,
  way: string,
  tls: TlsFacts | null,
  whose: string,
  now: number,
): readonly Row[] {
  const heading = row(span(` ${title}: `, 'heading'), span(way, 'bold'))
  if (tls === null) return [heading]
  const { protocol, cipher, resumed, serverName, alpn, certificate } = tls
  const facts = [
    heading,
    fact('protocol', protocol),
    fact('cipher', cipher),
    fact('resumed', resumed ? 'yes: an earlier session was taken up again' : 'no: a full handshake'),
    fact('SNI', serverName ?? 'no name was asked for'),
    fact('ALPN', alpn ?? 'none'),
  ]
  if (certificate === null)
    return [...facts, row(span(`   ${whose}: not told, nobody watched the handshake`, 'dim'))]
  const { subject, issuer, names, notBefore, notAfter, fingerprint256 } = certificate
  return [
    ...facts,
    row(span(`   ${whose}:`, 'dim')),
    fact('for', subject),
    fact('names', names.length === 0 ? 'none' : names.join(', ')),
    fact('from', issuer),
    fact('valid', `${notBefore.slice(0, 10)} to ${notAfter.slice(0, 10)}`, endingSpan(certificate, now)),
    fact('SHA-256', fingerprint256),
  ]
}

/** What of the days beside it is worth more than to be read: that they are over, near, or still to come. */
function endingSpan(certificate: CertificateFacts, now: number): Span | null {
  const until = untilSpan(certificate, now, '  ')
  return until.style === 'plain' ? null : until
}

function untilSpan({ notAfter, notBefore }: CertificateFacts, now: number, before: string): Span {
  const ends = Date.parse(notAfter)
  const begins = Date.parse(notBefore)
  const day = notAfter.slice(0, 10)
  if (Number.isNaN(ends)) return span(`${before}${notAfter}`)
  if (now >= ends) return span(`${before}EXPIRED ${day}`, 'error')
  if (now < begins) return span(`${before}NOT VALID before ${notBefore.slice(0, 10)}`, 'error')
  const days = Math.floor((ends - now) / DAY_MS)
  return days < SOON_DAYS
    ? span(`${before}${day}, in ${plural(days, 'day')}`, 'attention')
    : span(`${before}${day}`)
}

function clientWay({ clientTls, listener }: SessionRecord): string {
  if (listener.startsWith('pop3s:')) return clientTls === null ? 'no TLS' : 'TLS from the start'
  return clientTls === null ? 'plain: no TLS' : 'STLS'
}

function serverWay({ serverTls, server }: SessionRecord): string {
  if (server.startsWith('pop3s:')) return serverTls === null ? 'no TLS' : 'TLS from the start'
  return serverTls === null ? 'plain: no TLS' : 'STLS'
}

function fact(label: string, text: string, more: Span | null = null): Row {
  return row(span(`     ${label.padEnd(9)} `, 'dim'), span(text), more)
}

function labelled(label: string, text: Row): Row {
  return [...row(span(` ${label.padEnd(LABEL_CELLS)} `, 'dim')), ...text]
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
