#!/usr/bin/env node
/**
 * Starts the command line. Sets the exit status instead of leaving, so that what is still to be written is written.
 */
import { setFlagsFromString } from 'node:v8'

// Octets on their way are memory outside of V8's heap, and two of V8's habits make them dear. Loading modules makes
// the new space grow from 1 to 16 MiB for good, and octets that went through long ago wait there for a collection.
// And some 20 MiB of them set off a collection of the whole heap, unless they count for the limit of the heap as
// everything else does, for which only V8 13 (Node 24) has a flag. Fetching 20 MB messages cost up to 2.5
// CPU seconds a GiB without, and costs 1.2 with both. It must be said before the modules load.
setFlagsFromString('--semi-space-growth-factor=1')
if (Number.parseInt(process.versions.v8, 10) >= 13) {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}
const { main } = await import('./cli/program.js')

process.exitCode = await main(process.argv.slice(2))
