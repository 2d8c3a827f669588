/**
 * What the exit status of postern says, and which failure gives which. Scripts and service managers rely on these
 * numbers: they are part of the interface.
 */

export const EXIT_CODES = {
  /** Done, or ended by SIGTERM or SIGINT after a clean drain. */
  success: 0,
  /** Something failed while running. */
  failure: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** The configuration or a filter is invalid. */
  configuration: 3,
  /** An address cannot be listened on. */
  listen: 4,
  /** Trouble with a certificate, a key or the local authority. */
  certificate: 5,
  /** `postern doctor` or `postern replay --as-client` could not use a server. */
  upstream: 6,
  /** Ended by a second SIGINT or SIGTERM, without waiting for anything. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES]

/** Lines for the help text. */
export const EXIT_CODES_HELP = `Exit status:
  0  done, or ended by SIGTERM or SIGINT after a clean drain
  1  something failed while running
  2  the command line cannot be understood
  3  the configuration or a filter is invalid
  4  an address cannot be listened on
  5  trouble with a certificate, a key or the local authority
  6  postern doctor, replay --as-client: a server cannot be used
  130  ended by a second SIGINT or SIGTERM`
