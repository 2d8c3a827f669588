/** A target with a bug in it, which chance alone does not find: proves that the fuzzer finds what is there. */
import type { FuzzTarget } from './target.js'

export const PLANTED: FuzzTarget = {
  name: 'planted',
  seeds: [Buffer.from('hello')],
  covers: ['test/fuzz/planted-target'],
  run(input) {
    if (input[0] !== 0x71) return
    if (input[1] !== 0x07) return
    if (input[2] !== 0x5a) return
    if (input[3] !== 0x21) return
    throw new Error('planted bug')
  },
}
