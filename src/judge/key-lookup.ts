/**
 * Public keys of signers, by DNS. Owns what is asked and what is taken for an answer: a name that does not exist is an
 * answer, a name server that fails is not. Nothing else of a message causes network traffic.
 */
import { Resolver } from 'node:dns/promises'
import type { NameServer } from '../rules/judge-settings.js'
import { errorCode } from './adapter.js'
import { asciiDomain } from './signed-header.js'

/** Bounds of looking up. */
export interface LookupBounds {
  /** Octets of one key record. */
  readonly keyOctets: number
  /** How long one name server is waited for the first time. */
  readonly lookupMs: number
  /** How often each is asked. */
  readonly lookupTries: number
}

/** What mailauth takes for a name that has no key. */
class NoKey extends Error {
  readonly code: string = 'ENOTFOUND'
}

/** A key record that nobody has. */
class UselessKey extends NoKey {
  override readonly code = 'EINVALIDVAL'
}

/** Why a name server gave no answer: continues "could not look up NAME: ". */
class NoAnswer extends Error {
  readonly code = 'ENOANSWER'
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ETIMEOUT', 'no name server answered'],
  ['ECONNREFUSED', 'no name server listens'],
  ['ESERVFAIL', 'the name server failed'],
  ['EREFUSED', 'the name server refused'],
])

/** Codes of names that can have no key. */
const WITHOUT_KEY: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME'])

/** Looks up for one message; each name once. */
export class KeyLookup {
  readonly #resolver: Resolver
  readonly #bounds: LookupBounds
  readonly #asked = new Map<string, Promise<readonly (readonly string[])[]>>()
  readonly #failed = new Map<string, string>()

  /** @param servers whom to ask; those of the system where there are none */
  constructor(servers: readonly NameServer[], bounds: LookupBounds) {
    this.#bounds = bounds
    this.#resolver = new Resolver({ timeout: bounds.lookupMs, tries: bounds.lookupTries })
    if (servers.length > 0) this.#resolver.setServers(servers.map(serverText))
  }

  /**
   * Finds the record of a key.
   *
   * @returns at most one record, in pieces
   * @throws Error with a code: `ENOTFOUND` where there is none, `EINVALIDVAL` where it is too long, `ENOANSWER` where
   *   it is not known
   */
  async find(name: string): Promise<readonly (readonly string[])[]> {
    const asked = this.#asked.get(name)
    if (asked !== undefined) return await asked
    const answer = this.#ask(name)
    // Whoever is not waited for must not end the process.
    answer.catch(() => {})
    this.#asked.set(name, answer)
    return await answer
  }

  /** Why a name could not be looked up; null where it could, or nobody asked. */
  failureOf(name: string): string | null {
    return this.#failed.get(name) ?? null
  }

  /** Ends what is under way. */
  cancel(): void {
    this.#resolver.cancel()
  }

  async #ask(name: string): Promise<readonly (readonly string[])[]> {
    const ascii = asciiDomain(name)
    if (ascii === null) throw new NoKey(name)
    let records: readonly (readonly string[])[]
    try {
      records = await this.#resolver.resolveTxt(ascii)
    } catch (error) {
      const code = errorCode(error) ?? ''
      if (WITHOUT_KEY.has(code)) throw new NoKey(name)
      const reason = REASONS.get(code) ?? 'the name server gave no readable answer'
      this.#failed.set(name, reason)
      throw new NoAnswer(reason)
    }
    // RFC 6376 §3.6.2.2: more than one is an error of the signer's; a record of something else is not.
    const record = records.find((pieces) => /(?:^|;)\s*p\s*=/.test(pieces.join(''))) ?? records[0] ?? []
    if (record.join('').length > this.#bounds.keyOctets) throw new UselessKey(name)
    return [record]
  }
}

/** Where the key of a signature is. RFC 6376 §3.6.2.1. */
export function keyName(selector: string, domain: string): string {
  return `${selector}._domainkey.${domain}`
}

/** A name server, for a person and for the resolver: `127.0.0.1:53`, `[::1]:53`. */
export function serverText({ host, port }: NameServer): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
