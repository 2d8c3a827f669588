import { describe, expect, it } from 'vitest'
import { type DialogueLine, dialogueOf } from '../../src/sessions/dialogue.js'
import { SessionStore } from '../../src/sessions/store.js'
import { Conversation } from '../support/conversation.js'
import { loggedIn, Script, START } from './script.js'

const MAIL = 'Subject: Invoice\r\nFrom: bob@example.net\r\n\r\nbody\r\n'

function lines(script: Script): readonly DialogueLine[] {
  return dialogueOf(script.record())
}

/** `C>` and the like with the text, as a person reads it. */
function read(script: Script): readonly string[] {
  const marks = { client: 'C>', server: 'S>', postern: 'P>', watcher: 'W>' }
  return lines(script).map(({ from, text }) => `${from === null ? '**' : marks[from]} ${text}`)
}

function lineOf(script: Script, kind: DialogueLine['kind']): DialogueLine {
  const line = lines(script).find((each) => each.kind === kind)
  if (line === undefined) throw new Error(`no line of kind ${kind}`)
  return line
}

describe('dialogueOf', () => {
  it('reads as the dialogue that it was', () => {
    const script = new Script()
      .opened()
      .tls('server')
      .greeting()
      .exchange('CAPA', '+OK', 'TOP\r\nUIDL\r\n')
      .login()
    script.exchange('DELE 7', '-ERR [SYS/TEMP] not now').exchange('RETR 1', '+OK 52 octets', MAIL).quit()
    expect(read(script)).toEqual([
      '** 10.0.0.5:51000 connected to pop3://127.0.0.1:1110',
      'S> TLS with the server: TLSv1.3 TLS_AES_128_GCM_SHA256, name pop.example.org',
      '** connected to the server',
      'S> +OK ready',
      'C> CAPA',
      'S> +OK',
      'S> 2 lines',
      'C> USER alice',
      'S> +OK',
      'C> PASS [redacted]',
      'S> +OK',
      '** logged in as alice with USER',
      'C> DELE 7',
      'S> -ERR [SYS/TEMP] not now',
      'C> RETR 1',
      'S> +OK 52 octets',
      `S> message 1, ${MAIL.length} octets: Invoice`,
      'C> QUIT',
      'S> +OK',
      '** ended by QUIT',
    ])
  })

  it('gives each command the time until its reply was complete, and each reply its own', () => {
    const script = loggedIn().exchange('RETR 1', '+OK', MAIL).command('STAT')
    const of = (number: number) =>
      lines(script)
        .filter((line) => line.number === number)
        .map(({ kind, durationMs }) => [kind, durationMs])
    expect(of(3)).toEqual([
      ['command', 8],
      ['reply', 5],
      ['message', 8],
    ])
    expect(of(4)).toEqual([['command', null]])
    const command = lineOf(script, 'command')
    expect(command.sinceStartMs).toBe(command.at - START)
    expect(command.sinceStartMs).toBeGreaterThan(0)
  })

  it('folds a listing, and unfolds it without byte-stuffing and controls', () => {
    const script = loggedIn().exchange('UIDL', '+OK', '..1 a\r\n2 \u001b[31mb\r\n')
    expect(lineOf(script, 'listing')).toMatchObject({
      text: '2 lines',
      octets: 16,
      detail: ['.1 a', '2 \\x1b[31mb'],
    })
  })

  it('says of a listing that was not kept just that', () => {
    const script = loggedIn().command('LIST').reply('+OK').end(40)
    expect(lineOf(script, 'listing')).toMatchObject({
      text: 'lines that were not kept',
      octets: 40,
      detail: [],
    })
    const empty = loggedIn().command('LIST').reply('+OK').end(0)
    expect(lineOf(empty, 'listing').text).toBe('0 lines')
  })

  it('shows what postern made of a list beside what the server said', () => {
    const script = new Script().opened().greeting().command('CAPA').reply('+OK')
    script.piece('TOP\r\nSTLS\r\n').piece('TOP\r\nPIPELINING\r\n', 'postern').end(11)
    const listings = lines(script).filter(({ kind }) => kind === 'listing')
    expect(listings.map(({ from, text }) => [from, text])).toEqual([
      ['server', '2 lines'],
      ['postern', 'the client got 2 lines: - STLS, + PIPELINING'],
    ])
  })

  it('names the sender and the attachments of a message, and opens it by its command', () => {
    const mail = [
      'Subject: a',
      'From: bob@example.net',
      'MIME-Version: 1.0',
      'Content-Type: application/pdf; name="bill.pdf"',
      'Content-Disposition: attachment; filename="bill.pdf"',
      '',
      'x',
      '',
    ].join('\r\n')
    const line = lineOf(loggedIn().exchange('RETR 1', '+OK', mail), 'message')
    expect(line.messageKey).toBe(3)
    expect(line.detail).toEqual([
      expect.stringMatching(/^From: .*bob@example\.net/),
      'attachment: bill.pdf (application/pdf)',
    ])
  })

  it('knows of a message without its content no more than its size', () => {
    const script = loggedIn().command('RETR 2').reply('+OK').end(1_234)
    expect(lineOf(script, 'message')).toMatchObject({
      text: 'message 2, 1234 octets',
      octets: 1_234,
      tone: 'plain',
    })
  })

  it('tells a message that broke off, and one that was kept in part', () => {
    const broken = loggedIn().command('RETR 1').reply('+OK').piece('Subject: a\r\n').piece('\r\nbo')
    expect(lineOf(broken, 'message')).toMatchObject({ text: 'message 1, not ended: a', octets: null })
    expect(lines(broken).filter(({ kind }) => kind === 'message')).toHaveLength(1)
    const part = loggedIn().command('RETR 1').reply('+OK').piece('Subject: a\r\n').end(500)
    expect(lineOf(part, 'message').detail).toEqual(['488 octets of it were not kept'])
  })

  it('tells a changed message, a replaced command, and an answer in place of the server', () => {
    const script = loggedIn().command('RETR 1').tell({
      type: 'command-replaced',
      number: 3,
      verb: 'RETR',
      shown: 'RETR 2',
      octets: 8,
      wire: null,
    })
    script.reply('+OK').piece(MAIL).piece('Subject: other\r\n\r\n', 'postern').end(MAIL.length)
    script.command('STAT').reply('+OK 1 2').reply('+OK 0 0', { source: 'postern' })
    const found = read(script).slice(-7)
    expect(found).toEqual([
      'C> RETR 1',
      'P> RETR 2',
      'S> +OK',
      `S> message 1, ${MAIL.length} octets: Invoice (changed)`,
      'C> STAT',
      'S> +OK 1 2',
      'P> +OK 0 0',
    ])
    expect(lines(script).at(-2)?.detail).toEqual(['the client did not get it: postern answered in its place'])
  })

  it('tells a message that a person dropped', () => {
    const script = loggedIn().exchange('RETR 1', '+OK', MAIL)
    script.reply('-ERR [SYS/TEMP] dropped at a breakpoint', { source: 'postern' })
    expect(lineOf(script, 'message')).toMatchObject({
      text: `message 1, ${MAIL.length} octets: Invoice (the client did not get it)`,
      tone: 'attention',
    })
    expect(lines(script).at(-1)?.detail).toEqual(["in place of the server's reply"])
  })

  it('marks what postern answered itself', () => {
    const script = new Script().opened().greeting().exchange('STLS', '+OK begin', null, { source: 'postern' })
    expect(lineOf(script, 'reply')).toMatchObject({ from: 'postern', detail: ['answered by postern itself'] })
  })

  it('shows a message that a person wrote in place of any of the server', () => {
    const script = loggedIn().command('RETR 1').reply('+OK', { source: 'postern' }).piece(MAIL, 'postern')
    expect(lineOf(script, 'message')).toMatchObject({ from: 'postern', messageKey: 3 })
  })

  it('marks pipelined commands, and none that waited for its turn', () => {
    const script = loggedIn().command('RETR 1').command('RETR 2').reply('+OK', { number: 3 })
    script.piece(MAIL, 'server', 3).end(MAIL.length, 8, 3).reply('+OK', { number: 4 })
    script.piece(MAIL, 'server', 4).end(MAIL.length, 8, 4).command('STAT')
    expect(read(script).filter((line) => line.startsWith('C>'))).toEqual([
      'C> USER alice',
      'C> PASS [redacted]',
      'C> RETR 1',
      'C> RETR 2 (pipelined)',
      'C> STAT',
    ])
  })

  it("marks a watcher's command, and that its reply was for the watcher alone", () => {
    const script = loggedIn().command('NOOP', 'watcher').reply('+OK')
    expect(read(script).slice(-2)).toEqual(['W> NOOP', 'S> +OK'])
    expect(lines(script).at(-1)?.detail).toEqual(['for the watcher alone: the client did not get it'])
  })

  it('puts anomalies and hints behind the line that they belong to', () => {
    const script = loggedIn().exchange('UIDL', '+OK', '1 a\r\n2 a\r\n').command(' STAT', 'client', 'STAT')
    script.tell({ type: 'anomaly', side: 'client', number: 4, anomaly: 'padded-command', octets: null })
    script.reply('+OK 2 40')
    const kinds = lines(script).map(({ kind, number }) => [kind, number])
    expect(kinds.slice(-7)).toEqual([
      ['command', 3],
      ['reply', 3],
      ['listing', 3],
      ['hint', 3],
      ['command', 4],
      ['anomaly', 4],
      ['reply', 4],
    ])
    expect(lineOf(script, 'hint')).toMatchObject({ from: 'server', tone: 'attention' })
    expect(lineOf(script, 'hint').text).toMatch(/\(RFC 1939 §7\)$/)
    expect(lineOf(script, 'anomaly').text).toMatch(/^the client put other blanks .* \(RFC 1939 §3\)$/)
  })

  it('tells what was held and how it went on', () => {
    const script = loggedIn().command('RETR 1')
    const common = { hold: 'h', number: 3, kind: 'command' } as const
    script.tell({ type: 'held', ...common, breakpoint: 'command == "RETR"', releaseAt: START })
    script.tell({ type: 'released', ...common, verdict: 'timed-out', afterMs: 60_000 })
    script.tell({ type: 'not-held', number: 3, kind: 'message', octets: 9_000, reason: 'too-large' })
    expect(lines(script).slice(-3)).toMatchObject([
      { kind: 'held', number: 3, text: 'command held by command == "RETR"', tone: 'attention' },
      { kind: 'held', text: 'command released by itself: nobody decided in time', durationMs: 60_000 },
      { kind: 'held', text: 'message passed unseen by breakpoints: it is too large', octets: 9_000 },
    ])
  })

  it('tells failures with what to do, and the certificate of a leg', () => {
    const script = new Script()
      .opened()
      .tls('client')
      .failure('server', 'POSTERN_SERVER_UNREACHABLE', 'no route', 'try doctor')
    expect(lineOf(script, 'failure')).toMatchObject({
      from: 'server',
      text: 'no route (POSTERN_SERVER_UNREACHABLE)',
      tone: 'error',
      detail: ['try doctor'],
    })
    expect(lineOf(script, 'tls').detail).toEqual([
      'certificate for pop.example.org',
      'names pop.example.org, mail.example.org',
      'issued by Example CA',
      'valid from 2026-01-01T00:00:00.000Z until 2027-01-01T00:00:00.000Z',
      'SHA-256 AB:CD',
    ])
    expect(lineOf(script, 'closed')).toMatchObject({
      tone: 'error',
      text: 'closed after a failure (POSTERN_SERVER_UNREACHABLE)',
    })
  })

  it('shows a SASL exchange without its octets', () => {
    const script = new Script().opened().greeting().command('AUTH PLAIN')
    script.tell({ type: 'sasl-challenge', number: 1, octets: 0 })
    script.tell({ type: 'sasl-response', number: 1, octets: 30, cancels: false })
    expect(read(script).slice(-2)).toEqual(['S> + [challenge, 0 octets]', 'C> [response, 30 octets]'])
  })

  it('tells where events are missing', () => {
    const script = loggedIn()
    for (let each = 0; each < 20_000; each += 1) script.exchange('NOOP')
    const all = lines(script)
    const gap = all.findIndex(({ text }) => /events here were not kept/.test(text))
    expect(all[gap]?.tone).toBe('attention')
    expect((all[gap + 1]?.number ?? 0) - (all[gap - 1]?.number ?? 0)).toBeGreaterThan(1)
  })

  it('makes of any events something, in whatever order they come', () => {
    const script = loggedIn().exchange('RETR 1', '+OK', MAIL).exchange('LIST', '+OK', '1 5\r\n').quit()
    const { events } = script
    for (let left = 0; left < events.length; left += 1) {
      const part = new Script()
      part.events.push(...events.filter((_, index) => index % 3 !== left % 3).toReversed())
      expect(lines(part).length).toBeGreaterThan(0)
    }
  })

  it('gives the same lines until an event comes', () => {
    const record = loggedIn().record()
    expect(dialogueOf(record)).toBe(dialogueOf(record))
  })
})

describe('dialogueOf what a relay tells', () => {
  it('reads as the dialogue that passed', () => {
    const attention = { isWatched: true, messageOctets: 1_000 }
    const conversation = Conversation.open({ server: 'stls', attention })
    conversation.client('CAPA\r\n')
    conversation.server('+OK\r\nTOP\r\nSTLS\r\n.\r\n')
    conversation.client('STLS\r\n')
    conversation.tls('client')
    conversation.client('USER alice\r\nPASS sesame-street\r\n')
    conversation.server('+OK\r\n')
    conversation.server('+OK in\r\n')
    conversation.client('LIST\r\n')
    conversation.server('+OK\r\n1 18\r\n.\r\n')
    conversation.client('RETR 1\r\n')
    conversation.server('+OK\r\nSubject: a\r\n\r\n..dot\r\n.\r\n')
    conversation.client('QUIT\r\n')
    const store = new SessionStore()
    for (const event of conversation.traces) store.add(event)
    const told = store.get('s1')?.octets
    conversation.server('+OK bye\r\n')
    for (const event of conversation.traces.slice(-2)) store.add(event)
    const record = store.get('s1')
    if (record === null) throw new Error('nothing was told')
    expect(dialogueOf(record).map(({ from, text }) => `${from ?? '-'}: ${text}`)).toEqual([
      '-: 127.0.0.1:50000 connected to pop3://127.0.0.1:1110',
      '-: connected to the server',
      'server: +OK ready',
      'server: TLS with the server: TLSv1.3 TLS_AES_256_GCM_SHA384',
      'client: CAPA',
      'server: +OK',
      'server: 2 lines',
      'postern: the client got 3 lines: + PIPELINING',
      'client: STLS',
      'postern: +OK begin TLS negotiation',
      'client: the client did not ask for CAPA again behind STLS: what it knows was said in clear (RFC 2595 §4)',
      'client: TLS with the client: TLSv1.3 TLS_AES_256_GCM_SHA384',
      'client: USER alice',
      'client: PASS [redacted] (pipelined)',
      'server: +OK',
      'server: +OK in',
      '-: logged in as alice with USER',
      'client: LIST',
      'server: +OK',
      'server: 1 line',
      'client: RETR 1',
      'server: +OK',
      'server: message 1, 20 octets: a',
      'server: LIST says 18 octets for message 1, RETR sent 20: 2 more (RFC 1939 §11)',
      'client: QUIT',
      'server: +OK bye',
      '-: ended by QUIT',
    ])
    // Before the end, counts are what the events tell: near the truth that only the end knows.
    expect(told?.fromClient).toBe(record.octets.fromClient)
    expect(record.octets.toClient - (told?.toClient ?? 0)).toBeLessThan(50)
    expect(record.octets.fromServer - (told?.fromServer ?? 0)).toBeLessThan(50)
  })
})
