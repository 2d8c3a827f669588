import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/pop3/secret.js'
import { FAILURE_CODES, TRACE_VERSION, type TraceContent } from '../../src/trace/event.js'
import { recordingLine } from '../../src/trace/recording.js'
import { ONE_OF_EACH } from './events.js'

const SOURCE = resolve(import.meta.dirname, '../../src')

function sources(): string {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== join('trace', 'event.ts'))
    .map((file) => readFileSync(join(SOURCE, file), 'utf8'))
    .join('\n')
}

describe('failure codes', () => {
  const codes = Object.keys(FAILURE_CODES)

  it('are spelled alike, and each says in one sentence what it means', () => {
    for (const [code, meaning] of Object.entries(FAILURE_CODES)) {
      expect(code).toMatch(/^POSTERN(_[A-Z]+)+$/)
      expect(meaning).toMatch(/^[a-z].{10,}[^.]$/)
    }
    expect(new Set(Object.values(FAILURE_CODES)).size).toBe(codes.length)
  })

  it('are all used somewhere', () => {
    const text = sources()
    expect(codes.filter((code) => !text.includes(`'${code}'`))).toEqual([])
  })
})

describe('the set of events', () => {
  /** Field names of every event, nested ones with their path. A change here changes {@link TRACE_VERSION} or adds. */
  function fieldsOf(value: unknown, path = ''): readonly string[] {
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return [path]
    return Object.entries(value).flatMap(([name, inner]) =>
      fieldsOf(inner, path === '' ? name : `${path}.${name}`),
    )
  }

  it('of version 1 is what readers of recordings know', () => {
    expect(TRACE_VERSION).toBe(1)
    const shape = Object.values(ONE_OF_EACH).map((content) => fieldsOf(content).join(' '))
    expect(shape).toEqual([
      'type service listener client server',
      'type side tls.protocol tls.cipher tls.resumed tls.serverName tls.alpn tls.certificate',
      'type',
      'type indicator text afterMs',
      'type number verb shown octets origin wire',
      'type number verb shown octets wire',
      'type number octets',
      'type number octets cancels',
      'type number verb source indicator responseCode text afterMs wire',
      'type number verb source wire',
      'type number verb octets afterMs',
      'type octets',
      'type user mechanism',
      'type user mechanism responseCode text',
      'type side number anomaly octets',
      'type hold number kind breakpoint releaseAt',
      'type hold number kind verdict afterMs',
      'type number kind octets reason',
      'type number message uniqueId rule place actions.0 actions.1 reason mode',
      'type messages remembered headers whole hidden',
      'type text',
      'type side failure.code failure.isPermanent failure.text failure.hint',
      'type reason code user state commands messages octets.fromClient octets.toClient octets.fromServer octets.toServer durationMs',
    ])
  })

  it('would not leak a secret that strayed into a field', () => {
    const content: TraceContent = { ...ONE_OF_EACH.command }
    Object.assign(content, { shown: new Secret(Buffer.from('sesame')) })
    expect(recordingLine({ at: 0, session: 's', content })).toContain('"shown":"[redacted]"')
  })
})
