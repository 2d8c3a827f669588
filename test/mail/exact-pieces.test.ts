import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exactPieces, UnreadableMessageError } from '../../src/mail/exact-pieces.js'
import { inMemory, type MessageSource } from '../../src/mail/source.js'
import { cut } from '../support/every-split.js'
import { largeHash, largeMessage, largeSource, piecesSource } from '../support/message-source.js'

async function read(message: MessageSource): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of exactPieces(message)) pieces.push(piece)
  return pieces
}

async function failureOf(message: MessageSource): Promise<{ text: string; octets: number }> {
  let octets = 0
  try {
    for await (const piece of exactPieces(message)) octets += piece.length
  } catch (error) {
    if (error instanceof UnreadableMessageError) return { text: error.message, octets }
    throw error
  }
  throw new Error('nothing was wrong with it')
}

describe('a message in exact pieces', () => {
  it('is the same however its source cuts it, in pieces that are neither empty nor large', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300_000, size: 'max' }),
        fc.array(fc.nat(300_000), { maxLength: 6 }),
        async (octets, cuts) => {
          const message = Buffer.from(octets)
          const at = cuts.map((one) => Math.min(one, message.length)).sort((one, other) => one - other)
          for (const source of [inMemory(message), piecesSource(cut(message, at))]) {
            const pieces = await read(source)
            expect(Buffer.concat(pieces).equals(message)).toBe(true)
            for (const { length } of pieces) {
              expect(length).toBeGreaterThan(0)
              expect(length).toBeLessThanOrEqual(65_536)
            }
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('closes its source at the end, and where its reader stops early', async () => {
    const source = largeSource(1_000_000)
    await read(source)
    expect(source).toMatchObject({ opened: 1, open: 0, given: 1_000_000 })
    for await (const piece of exactPieces(source)) {
      expect(source.open).toBe(1)
      if (piece.length > 0) break
    }
    expect(source).toMatchObject({ opened: 2, open: 0 })
    expect(source.given).toBeLessThan(1_000_000)
    // One that was never begun opens nothing.
    await exactPieces(source).return()
    expect(source.opened).toBe(2)
  })

  it('fails where the source does, ends too early or has more, and gives no octet too many', async () => {
    const why = 'the file of the message is gone'
    const source = largeSource(1_000_000, { failsAt: 500_000, failure: new Error(why) })
    expect(await failureOf(source)).toMatchObject({ text: why })
    expect(source.open).toBe(0)
    for (const octets of [999, 1_001, 0]) {
      const lying = largeSource(1_000, { octets })
      const { text, octets: given } = await failureOf(lying)
      expect(text).toBe(
        octets > 1_000
          ? 'it was said to have 1001 octets and ended after 1000'
          : `it was said to have ${octets} octets and has more`,
      )
      expect(given).toBeLessThanOrEqual(octets)
      expect(lying.open).toBe(0)
    }
  })

  it('may have no octet at all', async () => {
    expect(await read(inMemory(Buffer.alloc(0)))).toEqual([])
    expect(await read(piecesSource([Buffer.alloc(0)]))).toEqual([])
  })
})

describe('the large message of the tests', () => {
  it('has the same octets however it is cut, and begins as it says', async () => {
    const message = largeMessage(500_000)
    for (const seed of [1, 2, 3]) {
      const source = largeSource(500_000, { seed })
      const octets = Buffer.concat(await read(source))
      expect(octets.equals(message)).toBe(true)
      expect(octets.subarray(0, source.beginning.length)).toEqual(source.beginning)
    }
    expect(largeHash(500_000)).toMatch(/^[0-9a-f]{64}$/)
  })
})
