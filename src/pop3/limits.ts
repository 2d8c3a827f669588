/**
 * Every bound of postern, with the reason for its default. Owns numbers and nothing else: who enforces a
 * bound reads it from a {@link Limits} value, so that a test can set it low and a configuration can move it.
 */

/** The bounds of one service. Counts are in octets or items, times in milliseconds. */
export interface Limits {
  /** Longest command line, CRLF included, before the client is authenticated and after. RFC 2449 §4 asks for 255. */
  readonly commandLineOctets: number
  /** Longest AUTH command and SASL response, CRLF included. RFC 5034 §4 asks for what the mechanisms need. */
  readonly saslLineOctets: number
  /** Longest greeting, status line or challenge of the server, CRLF included. RFC 2449 §4 says 512. */
  readonly statusLineOctets: number
  /** Largest CAPA response that is held to be rewritten. */
  readonly capabilityOctets: number
  /** Largest message that is gathered in memory: for a breakpoint, beyond which it goes on as it comes, or for rules. */
  readonly heldMessageOctets: number
  /** Largest message that rules look at or change as a whole; beyond memory it lies in a file meanwhile. */
  readonly spooledMessageOctets: number
  /** Largest header section that rules look at or change. */
  readonly headerOctets: number
  /** Largest scan listing or unique-id listing that rules read. */
  readonly listingOctets: number
  /** Commands of one client that wait for replies; past it the client is read no further. */
  readonly pendingCommands: number
  /** Commands at the server without a reply, where the server announced PIPELINING. */
  readonly pipelinedCommands: number
  /** Commands unknown or out of place before the login; one more ends the session (a browser's POST, a scan). */
  readonly errorsBeforeLogin: number
  /** Octets of one socket that may wait to be written before the other side is read no further. */
  readonly socketBufferOctets: number
  /** Sessions of the service at one time. */
  readonly sessions: number
  /** Sessions of one client address at one time. */
  readonly sessionsPerAddress: number
  /** Client connections of the service that are within a TLS handshake. */
  readonly handshakes: number
  /** Server's TCP connection. */
  readonly connectMs: number
  /** Server's greeting, counted from its connection (or TLS handshake). */
  readonly greetingMs: number
  /** Server's answer to STLS. */
  readonly stlsMs: number
  /** One TLS handshake, on either leg. */
  readonly handshakeMs: number
  /** From a client's connection to the end of its login, however busy it is. */
  readonly loginMs: number
  /** Between two octets of either side after the login. RFC 1939 §3: at least ten minutes. */
  readonly idleMs: number
  /** A side that takes no octet though some wait for it. */
  readonly writeStallMs: number
  /** Server's answer to QUIT, during which it commits the deletions. */
  readonly quitMs: number
  /** From SIGTERM to the end of sessions that are within a reply. */
  readonly drainMs: number
}

/** The defaults. Each can be configured; see `postern config print`. */
export const DEFAULT_LIMITS: Limits = {
  // Dovecot takes 8 KiB of a command from a client that is logged in; nothing in the wild needs more.
  commandLineOctets: 8_192,
  // OAuth tokens exceed 4 KiB; 12 KiB is the longest line that SASL profiles name, base64 and verb on top.
  saslLineOctets: 16_384,
  // 512 is the law; some servers write whole sentences with addresses in them.
  statusLineOctets: 16_384,
  // 128 lines of the 512 octets that RFC 2449 §3 allows.
  capabilityOctets: 65_536,
  // Most providers take no mail over 25 MB, and nearly none of that size is what somebody looks into.
  heldMessageOctets: 16_777_216,
  // The largest of the large providers take 150 MB; base64 and line ends make a third more of it.
  spooledMessageOctets: 268_435_456,
  // CVE-2024-23184: headers of tens of mebibytes kept Dovecot busy for minutes. Real ones stay below 64 KiB.
  headerOctets: 262_144,
  // 200,000 messages with unique-ids of 70 characters.
  listingOctets: 16_777_216,
  // Clients pipeline a whole maildrop of RETR or DELE (mpop does); past this backpressure, not an error.
  pendingCommands: 1_000,
  // Keeps what is in flight far below a TCP window (RFC 2449 §6.6).
  pipelinedCommands: 64,
  // nginx ends at 5 and Dovecot at 3; a client probing AUTH mechanisms makes a handful of errors.
  errorsBeforeLogin: 10,
  socketBufferOctets: 65_536,
  sessions: 1_000,
  sessionsPerAddress: 50,
  handshakes: 100,
  connectMs: 10_000,
  greetingMs: 30_000,
  stlsMs: 10_000,
  handshakeMs: 10_000,
  loginMs: 180_000,
  // One minute over the ten of RFC 1939 §3, so that the server's own timer speaks first.
  idleMs: 660_000,
  writeStallMs: 180_000,
  quitMs: 120_000,
  drainMs: 30_000,
}
