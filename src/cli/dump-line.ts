/**
 * One trace event as one line, as tcpdump would show it. Pure. All text in events is harmless and free of
 * credentials already, so nothing is escaped here.
 */
import type { TraceContent, TraceEvent } from '../trace/event.js'

/**
 * Words an event for `postern dump`.
 *
 * @returns `12:00:00.123 7f3a C> USER alice`, local time, without line end
 * `C>` is a command of the client, `<S` what the server answers, `<P` what postern answers itself, `**` everything else.
 */
export function dumpLine(event: TraceEvent): string {
  return `${clock(event.at)} ${event.session} ${dumpContent(event.content)}`
}

function dumpContent(content: TraceContent): string {
  switch (content.type) {
    case 'session-opened':
      return `** opened by ${content.client} at ${content.listener} for ${content.server} (${content.service})`
    case 'tls-established': {
      const { protocol, cipher, resumed, serverName } = content.tls
      const name = serverName === null ? '' : `, name ${serverName}`
      return `** TLS with the ${content.side}: ${protocol} ${cipher}${name}${resumed ? ', resumed' : ''}`
    }
    case 'server-connected':
      return '** server connected'
    case 'greeting':
      return `<S ${statusLine(content.indicator, null, content.text)} (${milliseconds(content.afterMs)})`
    case 'command':
      return `C> ${content.shown}`
    case 'sasl-challenge':
      return `<S + [challenge, ${content.octets} octets]`
    case 'sasl-response':
      return content.cancels ? 'C> *' : `C> [response, ${content.octets} octets]`
    case 'reply': {
      const side = content.source === 'server' ? '<S' : '<P'
      const status = statusLine(content.indicator, content.responseCode, content.text)
      return `${side} ${status} (${content.verb}, ${milliseconds(content.afterMs)})`
    }
    case 'content-end':
      return `<S . (${content.verb}, ${content.octets} octets, ${milliseconds(content.afterMs)})`
    case 'unsolicited':
      return `<S [${content.octets} octets that nobody asked for]`
    case 'logged-in':
      return `** logged in${by(content.user, content.mechanism)}`
    case 'login-refused':
      return `** login refused${by(content.user, content.mechanism)}`
    case 'command-replaced':
      return `P> ${content.shown}`
    case 'content':
      return `<S [content, ${content.wire.length} octets]`
    case 'held':
      return `** ${content.kind} held by ${content.breakpoint}`
    case 'released':
      return `** ${content.kind} ${content.verdict} after ${milliseconds(content.afterMs)}`
    case 'not-held':
      return `** ${content.kind} not held: ${content.reason}, ${content.octets} octets`
    case 'rule-hit': {
      const { rule, message, mode, actions, reason } = content
      const subject = message === null ? '' : ` message ${message}`
      const what = mode === 'failed' ? `failed: ${reason}` : actions.join(', ')
      return `** rule "${rule}"${mode === 'shadow' ? ' (shadow)' : ''}${subject}: ${what}`
    }
    case 'maildrop-seen': {
      const { messages, remembered, headers, whole, hidden } = content
      return `** rules saw the maildrop: ${messages} messages, ${remembered} known from before, ${headers} headers and ${whole} whole messages fetched, ${hidden} hidden`
    }
    case 'rules-blind':
      return `** rules cannot be asked: ${content.text}`
    case 'anomaly':
      return `** anomaly of the ${content.side}: ${content.anomaly}${content.octets === null ? '' : ` (${content.octets} octets)`}`
    case 'failure':
      return `** failed toward the ${content.side}: ${content.failure.text} (${content.failure.code})`
    case 'session-closed': {
      const { reason, code, commands, messages, octets, durationMs } = content
      return `** closed: ${code ?? reason}, ${commands} commands, ${messages} messages, ${octets.fromClient} octets in, ${octets.toClient} out, ${milliseconds(durationMs)}`
    }
    default:
      return unreachable(content)
  }
}

function statusLine(indicator: string, responseCode: string | null, text: string): string {
  const code = responseCode === null || text.startsWith('[') ? '' : `[${responseCode}] `
  return `${indicator} ${code}${text}`.trimEnd()
}

function by(user: string | null, mechanism: string | null): string {
  return `${user === null ? '' : ` as ${user}`}${mechanism === null ? '' : ` by ${mechanism}`}`
}

function milliseconds(amount: number): string {
  return `${amount.toFixed(1)} ms`
}

function clock(at: number): string {
  const moment = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  const fraction = String(moment.getMilliseconds()).padStart(3, '0')
  return `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${fraction}`
}

function unreachable(content: never): never {
  throw new Error(`no line for ${JSON.stringify(content)}`)
}
