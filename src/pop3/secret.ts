/**
 * A credential from the moment it is decoded. Owns the one way in and the one way out: whatever prints,
 * serialises or inspects a {@link Secret} gets `[redacted]`, and only {@link declassify} opens it.
 */
import { inspect } from 'node:util'

/** What stands in every output where a credential was. */
export const REDACTED = '[redacted]'

let open: (secret: Secret) => Buffer

/**
 * Octets that no output may show: a password, an APOP digest, a SASL message, the argument of an unknown verb.
 * Its length in octets may be shown.
 */
export class Secret {
  readonly #value: Buffer

  static {
    open = (secret) => secret.#value
  }

  /** @param value the octets as received; kept, not copied */
  constructor(value: Buffer) {
    this.#value = value
  }

  get octets(): number {
    return this.#value.length
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}

/**
 * Opens a secret. Every call of this function is a place to look at in a review: the relay needs none for
 * forwarding, since commands leave as the octets that arrived.
 *
 * @returns the octets the secret was made of
 */
export function declassify(secret: Secret): Buffer {
  return open(secret)
}
