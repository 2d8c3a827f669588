/**
 * A maildrop as a client sees it where rules are in force, read octet by octet in one session: what STAT, LIST, UIDL,
 * RETR and TOP say. Owns the reading and the one story that they must tell; knows nothing of what the rules are.
 */
import { expect } from 'vitest'
import type { Account } from '../support/dovecot.js'
import { connectClient, logIn, type Pop3Client } from '../support/pop3-client.js'

/** What one session has seen. Message-numbers are places in the lists, from one on. */
export interface SeenMaildrop {
  /** What STAT says. */
  readonly stat: { readonly messages: number; readonly octets: number }
  /** What LIST says of each message. */
  readonly sizes: readonly number[]
  readonly uniqueIds: readonly string[]
  /** What RETR gives, without byte-stuffing. */
  readonly mails: readonly Buffer[]
}

/** A client that is logged in, over plain POP3. */
export async function loggedIn(port: number, account: Account): Promise<Pop3Client> {
  const { client } = await connectClient({ port, security: 'plain', ca: '' })
  await logIn(client, account)
  return client
}

/** Removes the termination octet and byte-stuffing, which must be right. RFC 1939 §3. */
export function unstuffed(content: Buffer): Buffer {
  const text = content.subarray(0, content.length - 3).toString('latin1')
  // Quirk: Dovecot 2.3 does not byte-stuff the very first line.
  expect(/\r\n\.(?!\.)/.test(text), 'a line begins with a lone dot').toBe(false)
  return Buffer.from(text.replaceAll('\r\n..', '\r\n.'), 'latin1')
}

/** Reads listings. */
export async function readListings(client: Pop3Client): Promise<Omit<SeenMaildrop, 'mails'>> {
  const [indicator, messages, octets] = (await client.command('STAT')).split(' ')
  expect(indicator).toBe('+OK')
  const listing = async (verb: string): Promise<readonly string[]> => {
    const lines = (await client.multiLine(verb)).content.toString('latin1').split('\r\n').slice(0, -2)
    return lines.map((line, at) => {
      const [number, value = ''] = line.split(' ')
      expect(number, verb).toBe(String(at + 1))
      return value
    })
  }
  return {
    stat: { messages: Number(messages), octets: Number(octets) },
    sizes: (await listing('LIST')).map(Number),
    uniqueIds: await listing('UIDL'),
  }
}

const LINES = [0, 3, 99_999_999] as const

/**
 * Reads everything there is, with its commands pipelined, and leaves.
 *
 * Fails where STAT is not the sum of LIST, or TOP is not the beginning of RETR.
 */
export async function readMaildrop(port: number, account: Account): Promise<SeenMaildrop> {
  const client = await loggedIn(port, account)
  const listings = await readListings(client)
  const { stat, sizes, uniqueIds } = listings
  expect(stat.messages).toBe(sizes.length)
  expect(stat.octets).toBe(sizes.reduce((sum, size) => sum + size, 0))
  expect(new Set(uniqueIds).size).toBe(sizes.length)
  const commands = sizes.map((_, at) =>
    [`RETR ${at + 1}`, ...LINES.map((lines) => `TOP ${at + 1} ${lines}`)].join('\r\n'),
  )
  client.write(commands.map((each) => `${each}\r\n`).join(''))
  const mails: Buffer[] = []
  for (const at of sizes.keys()) {
    const contents: Buffer[] = []
    for (const verb of ['RETR', ...LINES]) {
      const status = await client.line()
      if (!status.startsWith('+OK')) throw new Error(`${verb} of message ${at + 1} was answered by ${status}`)
      contents.push(unstuffed(await client.content()))
    }
    const [mail = Buffer.alloc(0), ...tops] = contents
    for (const top of tops) expect(mail.subarray(0, top.length).equals(top), `TOP ${at + 1}`).toBe(true)
    expect(tops.at(-1)?.length, `TOP ${at + 1}`).toBe(mail.length)
    mails.push(mail)
  }
  await leave(client)
  return { ...listings, mails }
}

/** Says QUIT and reads to the end. */
export async function leave(client: Pop3Client): Promise<string> {
  const answer = await client.command('QUIT')
  await client.rest()
  return answer
}
