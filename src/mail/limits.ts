/**
 * Every bound on what is looked at within a message. Owns numbers and nothing else. A message beyond a bound is
 * still passed on octet for octet; what is shown of it says that it is not all.
 */

/** Bounds of one look at one message. */
export interface MailLimits {
  /** Octets of one header section that are read. */
  readonly headerOctets: number
  /** Fields of one header section that are kept. */
  readonly headerFields: number
  /** Octets of one field that are decoded. */
  readonly fieldOctets: number
  /** Addresses of one field that are shown. */
  readonly addresses: number
  /** Parts of one message. */
  readonly parts: number
  /** Levels of parts within parts. */
  readonly depth: number
  /** Octets of a part's text, decoded, that are shown. */
  readonly textOctets: number
  /** Characters of one shown line of text. */
  readonly lineCharacters: number
}

/** The defaults. */
export const MAIL_LIMITS: MailLimits = {
  // Dovecot's bound is 10 MiB since CVE-2024-23184; no mail in the corpus has a tenth of this.
  headerOctets: 262_144,
  headerFields: 1_000,
  // Encoded-words cost 5 us each: what is decoded at once stays within some milliseconds.
  fieldOctets: 16_384,
  addresses: 100,
  parts: 1_000,
  depth: 32,
  textOctets: 262_144,
  lineCharacters: 2_000,
}
