#!/usr/bin/env node
/**
 * Starts the command line. Sets the exit status instead of leaving, so that what is still to be written is written.
 */
import { main } from './cli/program.js'

process.exitCode = await main(process.argv.slice(2))
