/**
 * How judges are reached, as a rule file says it: plain values, checked and completed by defaults. Types only.
 */

/** One judge of a rule file. */
export interface JudgeSettings {
  readonly name: string
  /** Milliseconds that one answer may take, waiting for a place included. */
  readonly budgetMs: number
  /** Questions at one time; others wait. */
  readonly atOnce: number
  /** Octets of the largest message that is asked about; of a larger one the judge "fails". */
  readonly mostOctets: number
  readonly how: JudgeHow
}

/** Host and port, or the path of a Unix socket. */
export type JudgeAddress = { readonly host: string; readonly port: number } | { readonly path: string }

/** A name server by its IP address. */
export interface NameServer {
  readonly host: string
  readonly port: number
}

/** A password or token as it stands in the rule file, or where it stands: a file by its absolute path, or a variable. */
export type JudgeSecret = string | { readonly file: string } | { readonly env: string }

/** What the judge is. */
export type JudgeHow =
  /** ClamAV's daemon, by INSTREAM. Verdict `clean` or `infected`; finding is the name of the signature. */
  | { readonly type: 'clamd'; readonly address: JudgeAddress }
  /** rspamd, by POST /checkv2. Verdict is the action (`no action` is `clean`); score; finding are the symbols. */
  | { readonly type: 'rspamd'; readonly url: string; readonly password: JudgeSecret | null }
  /** SpamAssassin's spamd, by SPAMC SYMBOLS. Verdict `clean` or `spam`; score; finding are the tests. */
  | { readonly type: 'spamd'; readonly address: JudgeAddress; readonly user: string | null }
  /** Any HTTP service: POST of the message, answer is JSON with verdict, score, finding. */
  | { readonly type: 'http'; readonly url: string; readonly headers: Readonly<Record<string, JudgeSecret>> }
  /**
   * Any program: message on stdin. Exit status 0 is `clean`, 1 is `bad`, others fail; the first line of stdout is the
   * finding. One that writes messages writes on stdout what may stand in the message's place; nothing leaves it as it is.
   */
  | {
      readonly type: 'command'
      readonly program: string
      readonly arguments: readonly string[]
      readonly writes: 'finding' | 'message'
    }
  /**
   * DKIM signatures and the ARC chain, verified here. Verdict `pass`, `unaligned`, `fail` or `none`; finding is each
   * result. Keys are looked up at these name servers; at those of the system where there are none.
   */
  | { readonly type: 'signatures'; readonly dns: readonly NameServer[] }
