import { describe, expect, it } from 'vitest'
import { sessionsThatFit } from '../../src/proxy/descriptors.js'
import { run } from '../support/tools.js'

const PRINT = "import('./src/proxy/descriptors.ts').then((m) => console.log(m.sessionsThatFit()))"

/** The hard limit too: Node raises the soft one to it when it starts. */
async function underLimit(files: string): Promise<string> {
  const { stdout } = await run('sh', [
    '-c',
    `ulimit -n ${files} && exec "$0" --import tsx -e "$1"`,
    process.execPath,
    PRINT,
  ])
  return stdout.toString().trim()
}

describe.skipIf(process.platform !== 'linux')('sessions that fit', () => {
  it.each([
    ['264', '100'],
    ['265', '100'],
    ['266', '101'],
    ['64', '1'],
  ])('with %s descriptors are %s: two each, 64 for the rest, and never none', async (files, sessions) => {
    expect(await underLimit(files)).toBe(sessions)
  })

  it('are at least one here', () => {
    expect(sessionsThatFit()).toBeGreaterThanOrEqual(1)
  })
})
