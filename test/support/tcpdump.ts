/**
 * tcpdump at work on the loopback interface. Owns its process and the question whether this user may capture at all.
 */
import { spawn } from 'node:child_process'
import { findProgram } from './real.js'
import { until } from './tools.js'

/** A capture that runs. */
export interface RunningCapture {
  /** Ends it; the file is whole then. Rejects where the kernel dropped packets. */
  finish(): Promise<void>
}

/**
 * Captures what passes a port, from now on, into a file.
 *
 * @throws Error with tcpdump's words where it cannot
 */
export async function captureLoopback(file: string, port: number): Promise<RunningCapture> {
  const options = ['-i', 'lo', '-U', '-Z', 'root', '-s', '0', '-B', '8192', '-w', file, `tcp port ${port}`]
  const child = spawn(findProgram('tcpdump') ?? 'tcpdump', options, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await until('tcpdump to listen', () => {
    if (child.exitCode !== null) throw new Error(`tcpdump ended: ${said}`)
    return said.includes('listening on')
  })
  return {
    async finish() {
      child.kill('SIGINT')
      await ended
      if (!said.includes('0 packets dropped by kernel')) throw new Error(`tcpdump lost packets: ${said}`)
    },
  }
}

/** Whether this user may capture, which takes a privilege. Says so where not. */
export async function mayCapture(): Promise<boolean> {
  try {
    await (await captureLoopback('/dev/null', 1)).finish()
    return true
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (process.env.POSTERN_REQUIRE_REAL === '1') throw new Error(`POSTERN_REQUIRE_REAL=1, but ${text}`)
    console.warn(`skipped: no capture on the loopback interface: ${text}`)
    return false
  }
}
