import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Interventions } from '../../src/export/interventions.js'
import { PcapngExport } from '../../src/export/pcapng-export.js'
import type { TraceEvent } from '../../src/trace/event.js'
import { RecordingReader } from '../../src/trace/recording.js'
import { ipv4, packet } from '../export/packets.js'
import { contentsOf, fetchSession, MAIL } from '../export/sessions.js'
import { asSession, Files, postern, recordingText } from './recorded.js'

let files: Files
const good = asSession('good', fetchSession([MAIL, 'Subject: invoice\r\n\r\n']).traces)
const bad = asSession(
  'bad',
  fetchSession([]).traces.map((event) =>
    event.content.type === 'command' && event.content.verb === 'USER'
      ? { ...event, content: { ...event.content, shown: 'USER mallory' } }
      : event.content.type === 'reply' && event.content.verb === 'USER'
        ? { ...event, content: { ...event.content, indicator: '-ERR' as const, text: 'who?' } }
        : event,
  ),
)

beforeEach(() => {
  files = new Files()
})
afterEach(() => files.remove())

function capture(events: readonly TraceEvent[]): Buffer {
  const pcapng = new PcapngExport({
    application: 'test',
    legs: ['client'],
    keyLog: null,
    interventions: new Interventions(),
  })
  return Buffer.concat([pcapng.begin(), ...events.map((event) => pcapng.add(event)), pcapng.end()])
}

/** A capture of the old kind, with one segment in it. */
function oldCapture(): Buffer {
  const { octets } = packet(
    ipv4({ from: ['192.0.2.1', 50_000], to: ['192.0.2.2', 110], sequence: 1, text: 'NOOP\r\n' }),
  )
  const header = Buffer.from('d4c3b2a10200040000000000000000000000040065000000', 'hex')
  const record = Buffer.alloc(16)
  record.writeUInt32LE(octets.length, 8)
  record.writeUInt32LE(octets.length, 12)
  return Buffer.concat([header, record, octets])
}

function linesOf(text: Buffer): readonly string[] {
  return text.toString().split('\n').slice(0, -1)
}

describe('postern read', () => {
  it('prints a line of text for each event where stdout is no terminal', async () => {
    const { code, stdout, stderr } = await postern('read', files.recording('a.jsonl', good))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = linesOf(stdout)
    expect(lines).toHaveLength(good.length)
    expect(lines.find((line) => line.includes('PASS'))).toMatch(/ good C> PASS \[redacted\]$/)
  })

  it('prints JSON that is a recording itself, and the same events', async () => {
    const { code, stdout } = await postern('read', files.recording('a.jsonl', good), '--json')
    expect(code).toBe(0)
    expect(linesOf(stdout).map((line) => typeof JSON.parse(line))).toEqual(
      Array.from({ length: good.length + 1 }, () => 'object'),
    )
    const reader = new RecordingReader()
    const events = [...reader.push(stdout), ...reader.end()].flatMap((item) =>
      item.type === 'event' ? [item.event] : [],
    )
    expect(recordingText(events)).toBe(recordingText(good))
  })

  it('shows whole sessions for which the filter holds, in the order of the file', async () => {
    const mixed = good.flatMap((event, index) => [event, ...(bad[index] === undefined ? [] : [bad[index]])])
    const file = files.recording('mixed.jsonl', mixed)
    for (const filter of ['errors > 0', 'command == "USER" && argument == "mallory"', 'mallory']) {
      const { code, stdout } = await postern('read', file, filter, '--json')
      expect(code, filter).toBe(0)
      const sessions = linesOf(stdout)
        .slice(1)
        .map((line) => JSON.parse(line).session)
      expect(sessions, filter).toEqual(bad.map(() => 'bad'))
    }
    const byMail = await postern('read', file, '-f', 'subject == "invoice"', '--json')
    expect(
      new Set(
        linesOf(byMail.stdout)
          .slice(1)
          .map((line) => JSON.parse(line).session),
      ),
    ).toEqual(new Set(['good']))
  })

  it('asks what the session had become in the end, not what it was at each line', async () => {
    const file = files.recording('a.jsonl', good)
    const { stdout } = await postern('read', file, 'messages == 2 && is_open == false', '--json')
    expect(linesOf(stdout)).toHaveLength(good.length + 1)
  })

  it('ends with 1 where nothing matches, and prints nothing', async () => {
    const outcome = await postern('read', files.recording('a.jsonl', good), 'errors > 99')
    expect({ ...outcome, stdout: outcome.stdout.toString() }).toEqual({ code: 1, stdout: '', stderr: '' })
  })

  it('tells what a file is by its octets, whatever its name', async () => {
    const kinds = [
      ['recording.pcap', Buffer.from(recordingText(good))],
      ['packed.pcapng', gzipSync(recordingText(good))],
      ['capture.jsonl', capture(good)],
      ['packed-capture', gzipSync(capture(good))],
    ] as const
    for (const [name, octets] of kinds) {
      const { code, stdout } = await postern('read', files.write(name, octets), '--json')
      expect(code, name).toBe(0)
      expect(stdout.toString(), name).toContain('"shown":"RETR 2"')
    }
    const { stdout } = await postern('read', files.write('old', oldCapture()), '--json')
    expect(stdout.toString()).toContain('"shown":"NOOP"')
  })

  it('reads several files as one, and names sessions of captures apart', async () => {
    const paths = ['1.pcapng', '2.pcapng'].map((name) => files.write(name, capture(good)))
    const { stdout } = await postern('read', ...paths, '--json')
    const sessions = linesOf(stdout)
      .slice(1)
      .map((line) => JSON.parse(line).session)
    expect([...new Set(sessions)]).toEqual(['capture-1', 'capture-2'])
  })

  it('looks at other ports of a capture where they are named', async () => {
    const file = files.write('a.pcap', oldCapture())
    const moved = oldCapture()
    moved.writeUInt16BE(1110, 24 + 16 + 20 + 2)
    const other = files.write('b.pcap', moved)
    expect((await postern('read', file, '--json')).code).toBe(0)
    expect((await postern('read', other, '--json')).code).toBe(1)
    expect((await postern('read', other, '--json', '--port', '1110')).code).toBe(0)
    expect((await postern('read', other, '--port', '0')).stderr).toContain('--port')
  })

  it('shows what a damaged recording still holds, and says once what it does not', async () => {
    const lines = recordingText(good).split('\n')
    lines[3] = '{"at": broken'
    lines.splice(5, 0, '{"type":"dropped","events":7}')
    const file = files.write('damaged.jsonl', lines.join('\n'))
    for (const more of [[], ['messages == 2']]) {
      const { code, stdout, stderr } = await postern('read', file, ...more)
      expect(code).toBe(0)
      expect(linesOf(stdout)).toHaveLength(good.length - 1)
      expect(stderr.split('\n').filter((line) => line !== '')).toEqual([
        expect.stringMatching(/damaged\.jsonl: line 4: /),
        expect.stringContaining('7 events are missing'),
      ])
    }
  })

  it('ends with 2 and says what is wrong with a file', async () => {
    const cases = [
      [files.path('missing.jsonl'), 'no such file'],
      [files.directory, 'directory'],
      [files.write('text', 'hello, this is no recording\n'), 'neither a recording'],
      [files.write('empty', ''), 'is empty'],
      [files.write('cut.gz', gzipSync(recordingText(good)).subarray(0, -20)), 'compressed end is missing'],
      [
        files.write(
          'newer',
          '{"postern":"recording","version":999,"program":"x","at":"2030-01-01T00:00:00Z"}\n',
        ),
        'newer',
      ],
    ] as const
    for (const [path, said] of cases) {
      const { code, stderr } = await postern('read', path)
      expect({ path, code }).toEqual({ path, code: 2 })
      expect(stderr).toContain(said)
      expect(stderr).not.toContain('bug in postern')
    }
  })

  it('marks the place where a filter is wrong, and ends with 3', async () => {
    const { code, stderr } = await postern('read', files.recording('a.jsonl', good), '-f', 'errors > "x"')
    expect(code).toBe(3)
    expect(stderr).toContain('errors > "x"\n')
    expect(stderr).toMatch(/\n *\^/)
  })

  it('takes a last argument that looks like a file for one, so that a slip is no search', async () => {
    const file = files.recording('a.jsonl', good)
    const { code, stderr } = await postern('read', file, files.path('b.jsnol'))
    expect(code).toBe(2)
    expect(stderr).toContain('b.jsnol')
    const twice = await postern('read', file, 'errors > 0', '-f', 'errors > 0')
    expect(twice).toMatchObject({ code: 2, stderr: expect.stringContaining('-f') })
  })

  it('says of a capture in TLS what it is', async () => {
    const hello = ipv4({
      from: ['192.0.2.1', 50_000],
      to: ['192.0.2.2', 995],
      sequence: 1,
      text: '\x16\x03\x01',
    })
    const octets = oldCapture().subarray(0, 40)
    octets.writeUInt32LE(hello.length, 32)
    octets.writeUInt32LE(hello.length, 36)
    const { stdout } = await postern('read', files.write('tls.pcap', Buffer.concat([octets, hello])))
    expect(stdout.toString()).toContain('POSTERN_CAPTURE_ENCRYPTED')
  })

  it('never shows a password that a capture holds', async () => {
    const octets = oldCapture()
    const command = ipv4({
      from: ['192.0.2.1', 50_000],
      to: ['192.0.2.2', 110],
      sequence: 1,
      text: 'PASS sesame-street\r\n',
    })
    octets.writeUInt32LE(command.length, 32)
    octets.writeUInt32LE(command.length, 36)
    const file = files.write('pass.pcap', Buffer.concat([octets.subarray(0, 40), command]))
    const { stdout } = await postern('read', file, '--json')
    expect(stdout.toString()).toContain('PASS [redacted]')
    expect(stdout.toString()).not.toContain('sesame')
    expect(contentsOf(good, 'command').length).toBeGreaterThan(0)
  })
})
