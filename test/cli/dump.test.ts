import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { printEvents } from '../../src/cli/dump.js'
import type { LogStream } from '../../src/cli/log-destination.js'
import { parseFilter } from '../../src/expression/filter.js'
import type { TraceContent } from '../../src/trace/event.js'
import { Feed } from '../../src/trace/feed.js'
import { until } from '../support/tools.js'

class KeptOutput extends EventEmitter implements LogStream {
  writableLength = 0
  text = ''

  write(text: string): boolean {
    this.text += text
    return true
  }
}

function command(shown: string): TraceContent {
  const verb = shown.split(' ')[0] ?? ''
  return { type: 'command', number: 1, verb, shown, octets: 9, origin: 'client', wire: null }
}

function opened(client: string): TraceContent {
  return { type: 'session-opened', service: 'default', listener: 'pop3://l:1', client, server: 'pop3s://s:2' }
}

const LOGGED_IN: TraceContent = { type: 'logged-in', user: 'bob', mechanism: 'USER' }

/** What is printed of two sessions, the words behind the session alone. */
async function printed(filter: string | null): Promise<readonly string[]> {
  const feed = new Feed()
  const output = new KeptOutput()
  printEvents(feed, output, filter === null ? null : parseFilter(filter))
  const events: readonly (readonly [string, TraceContent])[] = [
    ['a', opened('192.0.2.1:5')],
    ['b', opened('192.0.2.2:5')],
    ['a', command('USER bob')],
    ['a', LOGGED_IN],
    ['a', command('RETR 1')],
    ['b', command('RETR 2')],
    ['b', command('DELE 2')],
    ['b', command('NOOP')],
  ]
  for (const [session, content] of events) feed.publish({ at: 1, session, content })
  // The last is printed whatever the filter, so that there is an end to wait for.
  feed.publish({ at: 1, session: 'end', content: { ...opened('end'), service: 'end' } as TraceContent })
  const end = filter === null || parseFilter(filter).matches({ service: 'end' }, () => '')
  await until('the lines', () => (end ? output.text.includes('(end)') : output.text !== ''))
  return output.text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\S+ /, ''))
    .filter((line) => !line.includes('(end)'))
}

describe('postern dump with a filter', () => {
  it('prints events alone for which it holds', async () => {
    expect(await printed('command == "RETR"')).toEqual(['a C> RETR 1', 'b C> RETR 2'])
  })

  it('knows what is known of the session by then', async () => {
    expect(await printed('user == "bob" && command == "RETR"')).toEqual(['a C> RETR 1'])
    expect(await printed('client.startsWith("192.0.2.2") && type == "command"')).toEqual([
      'b C> RETR 2',
      'b C> DELE 2',
      'b C> NOOP',
    ])
  })

  it('searches words in what is seen of an event', async () => {
    expect(await printed('dele 2')).toEqual(['b C> DELE 2'])
  })

  it('prints all without one', async () => {
    expect(await printed(null)).toHaveLength(8)
  })
})
