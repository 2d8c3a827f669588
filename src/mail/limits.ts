/**
 * Every bound on what is looked at within a message. Owns numbers and nothing else. A message beyond a bound is
 * still passed on octet for octet; what is shown of it says that it is not all, and what an edit would change beyond a
 * bound stays as it came.
 */

/** Bounds of one look at one message. */
export interface MailLimits {
  /** Octets of one header section that are split into fields. */
  readonly headerOctets: number
  /** Fields of one header section that are kept. */
  readonly headerFields: number
  /** Octets of one field that are decoded. */
  readonly fieldOctets: number
  /** Characters of one field that are shown. */
  readonly fieldCharacters: number
  /** Addresses of one field that are shown. */
  readonly addresses: number
  /** Parts of one message. */
  readonly parts: number
  /** Levels of parts within parts. */
  readonly depth: number
  /** Lines of one message that begin as a boundary does and are compared with those that are open. */
  readonly boundaryLines: number
  /** Octets of a part's text, decoded, that are shown. */
  readonly textOctets: number
  /** Characters of one shown line of text. */
  readonly lineCharacters: number
  /** Octets of attachments, as transferred and of one message together, that are decoded to look for archives. */
  readonly archiveOctets: number
  /** Names of files in archives, of one message together, that are read. */
  readonly archiveNames: number
  /** Characters of one name in an archive. */
  readonly archiveNameCharacters: number
}

/** The defaults. */
export const MAIL_LIMITS: MailLimits = {
  // CVE-2024-23184: headers of tens of mebibytes kept Dovecot busy for minutes. Real ones stay below 64 KiB.
  headerOctets: 262_144,
  headerFields: 1_000,
  // An encoded-word costs some microseconds to decode: one field stays within milliseconds.
  fieldOctets: 16_384,
  fieldCharacters: 4_096,
  addresses: 100,
  parts: 1_000,
  depth: 32,
  // A mail of patches has thousands of lines that begin with two hyphens; a hundred thousand are an attack.
  boundaryLines: 100_000,
  textOctets: 262_144,
  lineCharacters: 2_000,
  // Twice what rules look at of one message. Decoding so much takes some fifty milliseconds.
  archiveOctets: 33_554_432,
  // Sources of a large program have some thousands. A rule looks at each name, by a pattern some microseconds each.
  archiveNames: 5_000,
  // The longest path of most systems has 4,096, that of Windows 260; five thousand such names are some mebibytes.
  archiveNameCharacters: 1_024,
}

/** Bounds of edits, which look further than a display does: a text that is shown in part is changed as a whole. */
export interface EditLimits {
  /** Octets of a part's text, decoded, that are changed; a larger text stays as it is. */
  readonly textOctets: number
  /** Octets of a field that a notice keeps; a larger one is left out. */
  readonly noticeFieldOctets: number
  /** Octets in UTF-8 of a file name that gets a suffix; of a longer one the beginning. */
  readonly fileNameOctets: number
}

/** The defaults. */
export const EDIT_LIMITS: EditLimits = {
  // Decoded, changed and encoded anew it takes some ten times its octets in memory. Texts that people read stay far below.
  textOctets: 1_048_576,
  // Several hundred addresses in To. A notice says that a message is not there; it need not carry a mailing list.
  noticeFieldOctets: 16_384,
  // File systems allow 255. Each octet may take three characters in a parameter, whose line may have 998.
  fileNameOctets: 240,
}
