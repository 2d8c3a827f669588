/**
 * What the dashboard does outside of itself. Types only: `update.ts` asks for effects, `dashboard.ts` performs them.
 */
import type { FromWatcher } from '../watch/protocol.js'
import type { Model } from './model.js'

/** One thing to do. */
export type Effect =
  | { readonly type: 'request'; readonly message: FromWatcher }
  /** Opens an editor; what comes back is the message `edited`. */
  | {
      readonly type: 'edit'
      readonly purpose: 'edit' | 'answer'
      readonly hold: string
      readonly octets: Buffer
    }
  | { readonly type: 'copy'; readonly text: string; readonly what: string }
  /** The file must not exist. */
  | { readonly type: 'write-file'; readonly name: string; readonly octets: Buffer; readonly what: string }
  | { readonly type: 'mouse'; readonly isOn: boolean }
  | { readonly type: 'redraw' }
  | { readonly type: 'suspend' }
  | { readonly type: 'leave' }

/** A state and what is to be done. */
export interface Update {
  readonly model: Model
  readonly effects: readonly Effect[]
}
