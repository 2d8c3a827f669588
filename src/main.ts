#!/usr/bin/env node
/**
 * Starts the command line. Sets the exit status instead of leaving, so that what is still to be written is written.
 */
import { setFlagsFromString } from 'node:v8'

// Loading modules makes V8's new space grow from 1 to 16 MiB for good, and octets that went through long ago then
// wait there for a collection: fetching 20 MB messages cost 1.9 instead of 1.2 CPU seconds a GiB. The octets are
// memory outside of V8's heap, and some 20 MiB of them set off a collection of the whole heap, unless they count for
// its limit as everything else does, for which V8 has a flag from version 13 (Node 24) on. It must be said before
// the modules load, hence the import below it; proxy/young-collection.ts does the rest.
setFlagsFromString('--semi-space-growth-factor=1')
if (Number.parseInt(process.versions.v8, 10) >= 13) {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}
const { main } = await import('./cli/program.js')

process.exitCode = await main(process.argv.slice(2))
