/**
 * What a conformance hint is, shared by the modules that find them. See `hints.ts` for who asks whom.
 */
import type { Side } from '../trace/event.js'

/** One hint. */
export interface Hint {
  /** The command it belongs to, 0 for the session as a whole. */
  readonly number: number
  /** Whose doing it is; of what postern was configured to do, the leg. */
  readonly side: Side
  /** One sentence, harmless, without full stop. */
  readonly text: string
  /** Such as `RFC 1939 §7`; `common practice` where no RFC has it. */
  readonly reference: string
  /** `attention` where mail may be lost, shown wrong or fetched twice, or a credential seen; `hint` for all else. */
  readonly severity: 'hint' | 'attention'
}

/** What no RFC says, and every operator learns. */
export const COMMON_PRACTICE = 'common practice'
