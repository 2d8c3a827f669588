/**
 * What the list of sessions says while it has none: where clients connect, and how to see the first session now.
 * Knows nothing of lists.
 */
import type { WatchedAddress } from '../../watch/protocol.js'
import type { Row } from '../frame.js'
import type { ScreenContext } from '../screen-module.js'
import { cutRow, row, span } from '../spans.js'

/**
 * Says why no session is shown and what to do about it.
 *
 * @param showsMarkedOnly whether only marked sessions would be shown
 * @returns as many rows as have room
 */
export function noSessions(context: ScreenContext, showsMarkedOnly: boolean): readonly Row[] {
  const { size, store, filter, source } = context
  const rows = ((): readonly Row[] => {
    if (store.sessions.length > 0 && showsMarkedOnly) {
      return [text('No session that is shown here is marked.'), [], text('M shows all again, m marks one.')]
    }
    if (store.sessions.length > 0 && filter !== null) {
      return [
        text(`None of ${store.sessions.length} sessions is found by the filter`),
        row('   ', span(filter.text, 'bold')),
        [],
        text('f changes the filter, Esc clears it.'),
      ]
    }
    if (source === 'recording') return [text('This recording holds no session.'), [], text('q leaves.')]
    return waiting(context.addresses)
  })()
  return [[], ...rows].slice(0, size.rows).map((each) => cutRow(each, size.columns))
}

function waiting(addresses: readonly WatchedAddress[]): readonly Row[] {
  const [first] = addresses
  if (first === undefined) return [text('No session yet.')]
  return [
    text('No session yet. Point a mail client at'),
    [],
    ...addresses.map(({ service, url, server }) =>
      row('   ', span(url, 'bold'), span(`  to ${server}`), span(`  (${service})`, 'dim')),
    ),
    [],
    text('or fetch a list of messages with curl:'),
    [],
    row('   ', span(curlLine(first), 'bold')),
    [],
    text('Each session appears here as it begins; ? shows every key.'),
  ]
}

/** `--insecure`, since a local authority's certificate is not trusted by everybody's curl. */
function curlLine({ url }: WatchedAddress): string {
  const tls = url.startsWith('pop3s:') ? ' --insecure' : ''
  return `curl -v${tls} --user NAME ${url.replace('pop3+stls:', 'pop3:')}/`
}

function text(sentence: string): Row {
  return row(' ', span(sentence))
}
