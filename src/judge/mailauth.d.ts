/**
 * What is used of the parts of mailauth that come without types. Each is what version 4.13.3 does, which is pinned:
 * the class is driven from outside, so that it reads no more than it is given.
 */

declare module 'mailauth/lib/dkim/dkim-verifier.js' {
  /** A field as it is handed over. `toString('binary')` is what is signed, `toString()` what is read. */
  interface HeaderRow {
    readonly key: string
    readonly casedKey: string
    readonly line: { toString(encoding?: string): string }
  }

  interface Headers {
    readonly parsed: readonly HeaderRow[]
  }

  /** One signature: of the message (`DKIM`, `ARC`), or the seal of a chain (`AS`). Tags by their name. */
  interface SignatureHeader {
    readonly type: 'DKIM' | 'ARC' | 'AS'
    readonly parsed: Readonly<Record<string, { readonly value?: unknown } | undefined>>
    readonly signAlgo: string
    readonly hashAlgo: string
    readonly signingDomain: string
    readonly selector: string
    readonly timestamp: Date | null
    readonly expiration: Date | null
    readonly bodyHashKey?: string
    maxBodyLength: number | string
    /** It is not verified, and has no result. */
    skip?: boolean
  }

  interface SignatureStatus {
    readonly result: string
    readonly comment?: string | false
    readonly policy?: Readonly<Record<string, string>>
  }

  interface BodyHasher {
    update(piece: Buffer): void
    digest(encoding: 'base64'): string
    getMimeStructureStart(): number
  }

  interface ArcEntry {
    readonly i: number
    readonly 'arc-seal': SignatureHeader
    readonly 'arc-message-signature': SignatureHeader
    readonly messageSignature?: { readonly status: SignatureStatus }
  }

  class DkimVerifier {
    constructor(options: {
      readonly resolver: (name: string, type: string) => Promise<readonly (readonly string[])[]>
      readonly minBitLength: number
    })
    headers: Headers
    readonly signatureHeaders: readonly SignatureHeader[]
    /** By canonicalization, hash algorithm and length: `relaxed:sha256:`. */
    readonly bodyHashes: Map<string, BodyHasher>
    /** Of all signatures that are not skipped, in their order, those of ARC left out. */
    readonly results: readonly { readonly status: SignatureStatus }[]
    readonly arc: {
      readonly chain: readonly ArcEntry[] | false
      readonly lastEntry?: ArcEntry
      readonly error?: Error
    }
    messageHeaders(headers: Headers): Promise<void>
    finalChunk(): Promise<void>
  }
}

declare module 'mailauth/lib/arc/index.js' {
  import type { DkimVerifier } from 'mailauth/lib/dkim/dkim-verifier.js'

  /** Verifies the seals of a chain, and puts together what the verifier found. */
  function arc(
    found: DkimVerifier['arc'],
    options: { readonly resolver: (name: string) => Promise<readonly (readonly string[])[]> },
  ): Promise<{ readonly status: { readonly result: string; readonly comment?: string } }>
}

declare module 'mailauth/lib/tools.js' {
  /** @returns false where no domain has the same organisational domain as the first */
  function getAlignment(domain: string, domains: readonly string[]): { readonly domain: string } | false
}
