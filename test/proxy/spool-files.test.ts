import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { removeByteStuffing } from '../../src/pop3/encoder.js'
import { SpoolFiles, SpoolFolder, WAITING_OCTETS } from '../../src/proxy/spool-files.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

let directory: TemporaryDirectory

beforeEach(() => {
  directory = temporaryDirectory('spool-files')
})

afterEach(() => directory.remove())

function opened(folder = join(directory.path, 'spool')) {
  const failures: (readonly [number, string])[] = []
  let drained = 0
  const files = new SpoolFiles(new SpoolFolder(folder), {
    failed: (id, text) => failures.push([id, text]),
    drained: () => {
      drained += 1
    },
  })
  return { files, failures, folder, drained: () => drained }
}

/** Files of this process within the folder that are open, by what the system says of its descriptors. */
function openIn(folder: string): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(join('/proc/self/fd', descriptor))
      return path.startsWith(folder) ? [path] : []
    } catch {
      return []
    }
  })
}

async function textOf(pieces: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all).toString('latin1')
}

const spooled = (received: number, octets: number) => ({ id: 1, gaps: [], octets, received, drop: () => {} })

describe('the files of a session', () => {
  test('give what was put into them, from any place, in a folder that is nobody else’s', async () => {
    const it = opened()
    it.files.append(1, Buffer.from('abc'))
    it.files.append(2, Buffer.from('xyz'))
    it.files.append(1, Buffer.from('def'))
    expect(String(await it.files.read(1, 1, 5))).toBe('bcde')
    it.files.append(1, Buffer.from('ghi'))
    expect(String(await it.files.read(1, 0, 9))).toBe('abcdefghi')
    expect(String(await it.files.read(2, 0, 3))).toBe('xyz')
    expect(statSync(it.folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(it.folder)).toEqual([])
    it.files.dropAll()
  })

  test('have no names and stay open as long as somebody uses them, whoever drops them', async () => {
    const it = opened()
    it.files.append(1, Buffer.from('abc'))
    await it.files.read(1, 0, 3)
    expect(openIn(it.folder)).toHaveLength(1)
    const leave = it.files.use(1)
    const source = it.files.sourceOf(spooled(3, 3), Buffer.alloc(0))
    it.files.drop(1)
    expect(await textOf(source.pieces())).toBe('abc')
    expect(await textOf(source.pieces())).toBe('abc')
    leave()
    await until('the file to be closed', () => openIn(it.folder).length === 0)
    await expect(textOf(source.pieces())).rejects.toThrow('the file of the message is shorter')
    await expect(it.files.read(1, 0, 3)).rejects.toThrow('the file of the message is not there')
  })

  test('dropped at once, or while they are written, leave nothing open', async () => {
    const it = opened()
    for (let id = 1; id <= 20; id += 1) {
      it.files.append(id, Buffer.alloc(100_000))
      if (id % 2 === 0) it.files.drop(id)
    }
    await sleep(20)
    it.files.dropAll()
    await until('all files to be closed', () => openIn(it.folder).length === 0)
    expect(it.failures).toEqual([])
  })

  test('are a message without byte-stuffing, whatever its octets are and however they came', async () => {
    const piece = fc.constantFrom('\r\n', '\r', '.', '..', '\n', 'a cat', 'x'.repeat(70_000))
    const pieces = fc.array(piece, { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(pieces, async (all) => {
        const it = opened()
        const content = Buffer.from(all.join(''), 'latin1')
        for (const each of all) it.files.append(1, Buffer.from(each, 'latin1'))
        const plain = removeByteStuffing(content).toString('latin1')
        const source = it.files.sourceOf(spooled(content.length, plain.length), Buffer.from('beginning'))
        expect(source).toMatchObject({ inMemory: null, octets: plain.length })
        expect(await textOf(source.pieces())).toBe(plain)
        it.files.dropAll()
      }),
      { numRuns: 60 },
    )
  })

  test('are full where the disk is behind, and tell when it is not any more', async () => {
    const it = opened()
    it.files.append(1, Buffer.alloc(WAITING_OCTETS - 1))
    expect(it.files.isFull).toBe(false)
    it.files.append(2, Buffer.alloc(1))
    expect(it.files.isFull).toBe(true)
    await until('the disk', () => it.drained() >= 2)
    expect(it.files.isFull).toBe(false)
    it.files.dropAll()
  })

  test('that cannot be made are told once, and take no more memory', async () => {
    const file = join(directory.path, 'file')
    writeFileSync(file, '')
    const it = opened(join(file, 'spool'))
    it.files.append(1, Buffer.alloc(WAITING_OCTETS))
    await until('the failure', () => it.failures.length > 0)
    it.files.append(1, Buffer.alloc(WAITING_OCTETS))
    expect(it.files.isFull).toBe(false)
    await expect(it.files.read(1, 0, 1)).rejects.toThrow(/^the message cannot be kept in a file: /)
    expect(it.failures).toEqual([[1, expect.stringMatching(/^cannot be kept in a file: .*\/file\/spool: /)]])
  })

  test('are not made where others may write to the folder', async () => {
    const folder = join(directory.path, 'spool')
    mkdirSync(folder)
    chmodSync(folder, 0o777)
    const it = opened(folder)
    it.files.append(1, Buffer.from('abc'))
    await until('the failure', () => it.failures.length > 0)
    expect(it.failures[0]?.[1]).toContain('others may write to the folder: close it with chmod 700')
  })

  // A device that is always full stands for a disk that is.
  test.skipIf(!existsSync('/dev/full'))('on a full disk are told so', async () => {
    const { open } = await import('node:fs/promises')
    class FullFolder extends SpoolFolder {
      override open() {
        return open('/dev/full', 'r+')
      }
    }
    const failures: string[] = []
    const files = new SpoolFiles(new FullFolder('/spool'), {
      failed: (_, text) => failures.push(text),
      drained: () => {},
    })
    files.append(1, Buffer.from('abc'))
    await until('the failure', () => failures.length > 0)
    expect(failures).toEqual(['cannot be kept in a file: /spool: the disk is full'])
    files.dropAll()
  })
})
