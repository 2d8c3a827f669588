/**
 * Who may log in to the demo server, and by which proof: a password as it is, an APOP digest, or a SASL
 * exchange. Owns every comparison with a password; knows nothing of replies, states or sockets.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isBase64Line } from '../pop3/sasl.js'
import { declassify, Secret } from '../pop3/secret.js'
import { Maildrop, type StoredMessage } from './maildrop.js'

/** One user with a maildrop of its own. */
export interface Account {
  readonly password: Secret
  readonly maildrop: Maildrop
}

export type Accounts = ReadonlyMap<string, Account>

/** The SASL mechanisms of the server, strongest first. */
export const MECHANISMS = ['CRAM-MD5', 'PLAIN', 'LOGIN'] as const
export type Mechanism = (typeof MECHANISMS)[number]

/** What a SASL exchange came to with a response: it goes on, it ended with an account, or it failed. */
export type SaslOutcome =
  | { readonly type: 'challenge'; readonly challenge: Buffer }
  | { readonly type: 'account'; readonly account: Account }
  | { readonly type: 'refused' }
  | { readonly type: 'malformed' }

const EMPTY = Buffer.alloc(0)
const REFUSED: SaslOutcome = { type: 'refused' }
const MALFORMED: SaslOutcome = { type: 'malformed' }
const LOGIN_USER_PROMPT = Buffer.from('Username:', 'latin1')
const LOGIN_PASSWORD_PROMPT = Buffer.from('Password:', 'latin1')

/** Gives each user the same messages, in a maildrop of its own. */
export function makeAccounts(
  users: ReadonlyMap<string, string>,
  messages: readonly StoredMessage[],
): Accounts {
  return new Map(
    [...users].map(([name, password]) => [
      name,
      { password: new Secret(Buffer.from(password, 'utf8')), maildrop: new Maildrop(messages) },
    ]),
  )
}

/** Finds the account of a name and its password (RFC 1939 §7, PASS); null where either is wrong. */
export function logInByPassword(accounts: Accounts, name: string, password: Buffer): Account | null {
  return findAccount(accounts, name, (kept) => isSame(kept, password))
}

/**
 * Finds the account of a name and an APOP digest, lower-case hex as the RFC wants it.
 *
 * @param timestamp the one of the greeting, with its angle brackets
 * RFC 1939 §7, APOP.
 */
export function logInByDigest(
  accounts: Accounts,
  name: string,
  timestamp: string,
  digest: Buffer,
): Account | null {
  return findAccount(accounts, name, (kept) => {
    const expected = createHash('md5').update(timestamp, 'latin1').update(kept).digest('hex')
    return isSame(Buffer.from(expected, 'latin1'), digest)
  })
}

/** One SASL exchange from the AUTH command to its end (RFC 5034 §4). */
export class SaslExchange {
  readonly #accounts: Accounts
  readonly #mechanism: Mechanism
  readonly #timestamp: string
  #loginName: string | null = null

  /** @param timestamp what CRAM-MD5 challenges with; must be a new one for each exchange (RFC 2195 §2) */
  constructor(accounts: Accounts, mechanism: Mechanism, timestamp: string) {
    this.#accounts = accounts
    this.#mechanism = mechanism
    this.#timestamp = timestamp
  }

  /**
   * Begins the exchange.
   *
   * @param initialResponse the base64 of the AUTH command, `=` for an empty one, or null without
   */
  begin(initialResponse: Secret | null): SaslOutcome {
    // The server speaks first in CRAM-MD5, so an initial response must be rejected (RFC 5034 §4).
    if (initialResponse !== null && this.#mechanism === 'CRAM-MD5') return MALFORMED
    if (initialResponse !== null) {
      const isEmpty = declassify(initialResponse).equals(Buffer.from('='))
      return this.proceed(isEmpty ? new Secret(EMPTY) : initialResponse)
    }
    switch (this.#mechanism) {
      case 'PLAIN':
        return { type: 'challenge', challenge: EMPTY }
      case 'LOGIN':
        return { type: 'challenge', challenge: LOGIN_USER_PROMPT }
      case 'CRAM-MD5':
        return { type: 'challenge', challenge: Buffer.from(this.#timestamp, 'latin1') }
    }
  }

  /** Takes the client's next response, a base64 line. */
  proceed(response: Secret): SaslOutcome {
    const line = declassify(response)
    if (!isBase64Line(line, 0, line.length)) return MALFORMED
    const octets = Buffer.from(line.toString('latin1'), 'base64')
    switch (this.#mechanism) {
      case 'PLAIN':
        return this.#plain(octets)
      case 'LOGIN':
        return this.#login(octets)
      case 'CRAM-MD5':
        return this.#cramMd5(octets)
    }
  }

  /** RFC 4616 §2: authorization identity, NUL, authentication identity, NUL, password. */
  #plain(octets: Buffer): SaslOutcome {
    const first = octets.indexOf(0)
    const second = first < 0 ? -1 : octets.indexOf(0, first + 1)
    if (second < 0 || octets.indexOf(0, second + 1) >= 0) return MALFORMED
    const authorizationIdentity = octets.toString('utf8', 0, first)
    const name = octets.toString('utf8', first + 1, second)
    const account = logInByPassword(this.#accounts, name, octets.subarray(second + 1))
    const asAnother = authorizationIdentity !== '' && authorizationIdentity !== name
    return asAnother ? REFUSED : outcomeOf(account)
  }

  #login(octets: Buffer): SaslOutcome {
    if (this.#loginName === null) {
      this.#loginName = octets.toString('utf8')
      return { type: 'challenge', challenge: LOGIN_PASSWORD_PROMPT }
    }
    return outcomeOf(logInByPassword(this.#accounts, this.#loginName, octets))
  }

  /** RFC 2195 §2: the name, a blank and the keyed digest of the challenge in lower-case hex. */
  #cramMd5(octets: Buffer): SaslOutcome {
    const blank = octets.lastIndexOf(0x20)
    if (blank < 0) return MALFORMED
    const digest = octets.subarray(blank + 1)
    return outcomeOf(
      findAccount(this.#accounts, octets.toString('utf8', 0, blank), (kept) => {
        const expected = createHmac('md5', kept).update(this.#timestamp, 'latin1').digest('hex')
        return isSame(Buffer.from(expected, 'latin1'), digest)
      }),
    )
  }
}

function outcomeOf(account: Account | null): SaslOutcome {
  return account === null ? REFUSED : { type: 'account', account }
}

const NO_PASSWORD = new Secret(EMPTY)

/** Compares for unknown names too, so that the time taken does not tell which names exist. */
function findAccount(accounts: Accounts, name: string, proves: (kept: Buffer) => boolean): Account | null {
  const account = accounts.get(name)
  const isProven = proves(declassify(account?.password ?? NO_PASSWORD))
  return account !== undefined && isProven ? account : null
}

/** Hashes first, since `timingSafeEqual` wants equal lengths and the length is a part of the password. */
function isSame(one: Buffer, other: Buffer): boolean {
  const digest = (octets: Buffer) => createHash('sha256').update(octets).digest()
  return timingSafeEqual(digest(one), digest(other))
}
