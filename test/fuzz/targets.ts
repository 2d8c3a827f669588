/** Every target of `npm run fuzz`. A new part of postern joins by a row here. */
import { CODEC_TARGETS } from './codec-targets.js'
import { RELAY_TARGET } from './relay-target.js'
import type { FuzzTarget } from './target.js'

export const TARGETS: readonly FuzzTarget[] = [...CODEC_TARGETS, RELAY_TARGET]
