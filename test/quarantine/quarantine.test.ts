import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inMemory } from '../../src/mail/source.js'
import { QUARANTINE_LIMITS, type QuarantineLimits } from '../../src/quarantine/limits.js'
import {
  type KeepResult,
  type KeptAbout,
  openQuarantine,
  type Quarantine,
} from '../../src/quarantine/quarantine.js'
import { QuarantineError } from '../../src/quarantine/quarantine-error.js'
import { cut } from '../support/every-split.js'
import { largeHash, largeMessage, largeSource, piecesSource } from '../support/message-source.js'
import { run, type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

const ABOUT: KeptAbout = {
  rule: 'dangerous-attachments',
  reason: 'attachments.exists(a, a.name.endsWith(".exe"))',
  user: 'bob',
  service: 'default',
  session: 's1',
  at: Date.UTC(2026, 9, 1, 12, 30),
  uniqueId: 'uid-1',
}

let place: TemporaryDirectory
let directory: string
let opened: Quarantine[]
let umask: number

beforeEach(() => {
  // What is made must be private whatever the umask allows.
  umask = process.umask(0)
  place = temporaryDirectory('quarantine')
  directory = join(place.path, 'state', 'quarantine')
  opened = []
})

afterEach(() => {
  process.umask(umask)
  for (const quarantine of opened) quarantine.close()
  place.remove()
})

async function open(limits: Partial<QuarantineLimits> = {}): Promise<Quarantine> {
  const quarantine = await openQuarantine(directory, { ...QUARANTINE_LIMITS, ...limits })
  opened.push(quarantine)
  return quarantine
}

function mail(subject: string, body = 'Hello\r\n'): Buffer {
  return Buffer.from(`From: Eve <eve@example.org>\r\nSubject: ${subject}\r\n\r\n${body}`)
}

function hashOf(message: Buffer): string {
  return createHash('sha256').update(message).digest('hex')
}

function modeOf(path: string): number {
  return lstatSync(path).mode & 0o777
}

function filesBelow(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    lstatSync(join(path, name)).isFile(),
  )
}

function idOf(result: KeepResult): string {
  if (result.type !== 'kept') throw new Error(`not kept: ${JSON.stringify(result)}`)
  return result.id
}

async function failureOf(work: Promise<unknown>): Promise<QuarantineError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (error instanceof QuarantineError) return error
  throw new Error(`expected a QuarantineError, found ${error}`)
}

describe('the folder of a quarantine', () => {
  it('is made for its owner alone, whatever the umask, files too', async () => {
    const quarantine = await open()
    const message = mail('one')
    await quarantine.release(idOf(await quarantine.keep(inMemory(message), ABOUT)))
    await quarantine.keep(inMemory(mail('two')), ABOUT)
    for (const folder of ['', 'tmp', 'new', 'cur', 'meta', 'released'])
      expect(modeOf(join(directory, folder)), folder).toBe(0o700)
    expect(modeOf(join(place.path, 'state'))).toBe(0o700)
    const files = filesBelow(directory)
    expect(files).toHaveLength(5)
    for (const file of files) expect(modeOf(join(directory, file)), file).toBe(0o600)
  })

  it('is refused where others may write to it or to a folder of it, with the command that closes it', async () => {
    await open()
    for (const [folder, mode] of [
      ['', 0o770],
      ['', 0o702],
      ['new', 0o720],
      ['released', 0o777],
    ] as const) {
      const path = join(directory, folder)
      chmodSync(path, mode)
      const { message } = await failureOf(open())
      expect(message).toContain(path)
      expect(message).toContain(`mode 0${mode.toString(8)}`)
      expect(message).toContain(`chmod 700 ${path}`)
      chmodSync(path, 0o700)
    }
    // Others may read names there; the files are closed.
    chmodSync(directory, 0o755)
    await open()
  })

  it('is refused where it or a folder of it is a symbolic link, or no folder', async () => {
    await open()
    const elsewhere = join(place.path, 'elsewhere')
    renameSync(directory, elsewhere)
    symlinkSync(elsewhere, directory)
    expect((await failureOf(open())).problem).toBe('is a symbolic link')
    unlinkSync(directory)
    renameSync(elsewhere, directory)
    renameSync(join(directory, 'meta'), elsewhere)
    symlinkSync(elsewhere, join(directory, 'meta'))
    expect((await failureOf(open())).file).toBe(join(directory, 'meta'))
    unlinkSync(join(directory, 'meta'))
    writeFileSync(join(directory, 'meta'), '')
    expect((await failureOf(open())).problem).toBe('is no folder')
  })

  it.skipIf(process.geteuid?.() !== 0)(
    'is refused where it belongs to another user, to root too',
    async () => {
      await open()
      chownSync(join(directory, 'cur'), 12_345, 12_345)
      const { message } = await failureOf(open())
      expect(message).toContain('belongs to user 12345')
      expect(message).toContain("sudo -u '#12345'")
    },
  )

  it('is not made by somebody who only wants to look', async () => {
    const error = await failureOf(openQuarantine(directory, QUARANTINE_LIMITS, 'refuse'))
    expect(error.problem).toBe('there is no quarantine')
    expect(error.cure).toContain('--directory')
    expect(existsSync(directory)).toBe(false)
  })

  it('loses writes that were cut off long ago, and no others', async () => {
    await open()
    const old = join(directory, 'tmp', 'old')
    const young = join(directory, 'tmp', 'young')
    for (const file of [old, young]) writeFileSync(file, 'half')
    const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * 3_600_000)
    utimesSync(old, hoursAgo(37), hoursAgo(37))
    utimesSync(young, hoursAgo(35), hoursAgo(35))
    await open()
    expect(readdirSync(join(directory, 'tmp'))).toEqual(['young'])
  })
})

describe('keeping', () => {
  it('stores any octets as they are, and names them by their content', async () => {
    const quarantine = await open()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (octets) => {
        const message = Buffer.from(octets)
        const id = idOf(await quarantine.keep(inMemory(message), ABOUT))
        expect(id).toBe(hashOf(message).slice(0, 16))
        expect(readFileSync(join(directory, 'new', hashOf(message)))).toEqual(message)
        const shown = await quarantine.show(id)
        expect(shown).toMatchObject({ content: message, isIntact: true })
      }),
      {
        numRuns: 40,
        examples: [[Buffer.from('a\r\n')], [Buffer.from('a\n')], [Buffer.from('\r\r\n\0.\r\n')]],
      },
    )
  })

  it('says beside the message what is known of it, harmless and in a versioned form', async () => {
    const quarantine = await open()
    const message = mail('=?utf-8?q?ha=1B[2J=E2=80=AE?=')
    await quarantine.keep(inMemory(message), { ...ABOUT, user: 'bob\u001b[31m', reason: 'x'.repeat(10_000) })
    const text = readFileSync(join(directory, 'meta', `${hashOf(message)}.json`), 'utf8')
    expect(JSON.parse(text)).toMatchObject({
      postern: 'quarantined',
      version: 1,
      sha256: hashOf(message),
      rule: 'dangerous-attachments',
      user: 'bob\\x1b[31m',
      uniqueId: 'uid-1',
      from: 'Eve <eve@example.org>',
      subject: 'ha\\x1b[2J\\u{202e}',
      at: ABOUT.at,
    })
    expect(text.length).toBeLessThan(2_000)
    expect(await quarantine.list()).toMatchObject([{ subject: 'ha\\x1b[2J\\u{202e}', state: 'kept' }])
  })

  it('stores the same content once, also for two who keep at the same time and after a restart', async () => {
    const quarantine = await open()
    const results = await Promise.all(
      Array.from({ length: 10 }, () => quarantine.keep(inMemory(mail('one')), ABOUT)),
    )
    const again = await open()
    results.push(await again.keep(inMemory(mail('one')), { ...ABOUT, session: 's2' }))
    expect(new Set(results.map(idOf)).size).toBe(1)
    expect(readdirSync(join(directory, 'new'))).toHaveLength(1)
    expect(await again.list()).toMatchObject([{ session: 's1' }])
  })

  it('keeps again what another process has deleted meanwhile', async () => {
    const quarantine = await open()
    const id = idOf(await quarantine.keep(inMemory(mail('one')), ABOUT))
    await (await open()).delete(id)
    expect(readdirSync(join(directory, 'new'))).toEqual([])
    expect(await quarantine.keep(inMemory(mail('one')), ABOUT)).toEqual({ type: 'kept', id })
    expect(readdirSync(join(directory, 'new'))).toHaveLength(1)
  })

  it('knows a message again that a mail program has looked at', async () => {
    const quarantine = await open()
    const id = idOf(await quarantine.keep(inMemory(mail('one')), ABOUT))
    const name = hashOf(mail('one'))
    renameSync(join(directory, 'new', name), join(directory, 'cur', `${name}:2,FS`))
    expect(await quarantine.keep(inMemory(mail('one')), ABOUT)).toEqual({ type: 'kept', id })
    expect(readdirSync(join(directory, 'new'))).toEqual([])
    expect((await quarantine.show(id)).content).toEqual(mail('one'))
    await quarantine.delete(id)
    expect(readdirSync(join(directory, 'cur'))).toEqual([])
  })

  it('takes as many messages as it may hold and not one more, and loses none of them', async () => {
    const quarantine = await open({ messages: 2 })
    await quarantine.keep(inMemory(mail('one')), ABOUT)
    const second = idOf(await quarantine.keep(inMemory(mail('two')), ABOUT))
    const failed = await quarantine.keep(inMemory(mail('three')), ABOUT)
    expect(failed).toEqual({
      type: 'failed',
      text: expect.stringMatching(
        /holds 2 messages and may hold 2; delete some with: postern quarantine delete/,
      ),
    })
    expect((await quarantine.list()).map(({ subject }) => subject).sort()).toEqual(['one', 'two'])
    // What is there already needs no place.
    expect((await quarantine.keep(inMemory(mail('two')), ABOUT)).type).toBe('kept')
    await (await open()).delete(second)
    expect((await quarantine.keep(inMemory(mail('three')), ABOUT)).type).toBe('kept')
    expect((await (await open({ messages: 2 })).keep(inMemory(mail('four')), ABOUT)).type).toBe('failed')
  })

  it('takes as many octets as it may hold and not one more', async () => {
    const quarantine = await open({ octets: 1_000 })
    expect((await quarantine.keep(inMemory(Buffer.alloc(600, 'a')), ABOUT)).type).toBe('kept')
    expect(await quarantine.keep(inMemory(Buffer.alloc(401, 'b')), ABOUT)).toMatchObject({
      type: 'failed',
      text: expect.stringContaining('600 octets and may hold 1000, too few for 401 more'),
    })
    expect((await quarantine.keep(inMemory(Buffer.alloc(400, 'b')), ABOUT)).type).toBe('kept')
  })

  it('holds no more than its bounds, whatever is kept and deleted in any order', async () => {
    let round = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('keep', 'delete', 'release'), fc.nat(7)), { maxLength: 25 }),
        async (steps) => {
          round += 1
          directory = join(place.path, `round-${round}`)
          const quarantine = await open({ messages: 4, octets: 400 })
          const model = new Map<number, 'kept' | 'released'>()
          const released = new Set<number>()
          const octetsOf = (which: number): number => 20 + which * 20
          const content = (which: number): Buffer => Buffer.alloc(octetsOf(which), String(which))
          for (const [step, which] of steps) {
            const id = hashOf(content(which)).slice(0, 16)
            const total = [...model.keys()].reduce((sum, each) => sum + octetsOf(each), 0)
            if (step === 'keep') {
              const fits = model.size < 4 && total + octetsOf(which) <= 400
              const expected = released.has(which) ? 'released' : model.has(which) || fits ? 'kept' : 'failed'
              expect((await quarantine.keep(inMemory(content(which)), ABOUT)).type).toBe(expected)
              if (expected === 'kept') model.set(which, 'kept')
            } else if (model.has(which)) {
              await quarantine[step](id)
              if (step === 'delete') model.delete(which)
              else {
                model.set(which, 'released')
                released.add(which)
              }
            } else await failureOf(quarantine[step](id))
            expect(quarantine.isReleased(id)).toBe(released.has(which))
          }
          const listed = await quarantine.list()
          expect(new Map(listed.map((each) => [each.id, each.state]))).toEqual(
            new Map([...model].map(([which, state]) => [hashOf(content(which)).slice(0, 16), state])),
          )
        },
      ),
      { numRuns: 15 },
    )
  })

  it('says in a sentence what went wrong, and leaves nothing half written behind', async () => {
    const quarantine = await open()
    rmSync(join(directory, 'new'), { recursive: true })
    expect(await quarantine.keep(inMemory(mail('one')), ABOUT)).toEqual({
      type: 'failed',
      text: `the message cannot be kept in ${directory}: a folder of it is gone`,
    })
    expect(filesBelow(directory)).toEqual([])
  })

  it('survives a disk that takes no more', async () => {
    const program = `
      const { openQuarantine } = await import('./src/quarantine/quarantine.ts')
      const { QUARANTINE_LIMITS } = await import('./src/quarantine/limits.ts')
      const { inMemory } = await import('./src/mail/source.ts')
      const about = ${JSON.stringify(ABOUT)}
      const quarantine = await openQuarantine(process.argv[1], QUARANTINE_LIMITS)
      console.log(JSON.stringify(await quarantine.keep(inMemory(Buffer.alloc(4_000_000, 'a')), about)))
      console.log(JSON.stringify(await quarantine.keep(inMemory(Buffer.from('small')), about)))`
    const { stdout, stderr } = await run('sh', [
      '-c',
      'ulimit -f 2048 && exec "$0" --import tsx --input-type=module -e "$1" "$2"',
      process.execPath,
      program,
      directory,
    ])
    expect(stderr).toBe('')
    const [large = '', small = ''] = stdout.toString().split('\n')
    expect(JSON.parse(large)).toEqual({
      type: 'failed',
      text: expect.stringContaining('larger than this process may write'),
    })
    expect(JSON.parse(small)).toMatchObject({ type: 'kept' })
    expect(filesBelow(directory)).toHaveLength(2)
  })

  it('writes through no link that lies in its way', async () => {
    const quarantine = await open()
    const victim = join(place.path, 'victim')
    writeFileSync(victim, 'precious')
    const message = mail('one')
    symlinkSync(victim, join(directory, 'new', hashOf(message)))
    symlinkSync(victim, join(directory, 'meta', `${hashOf(message)}.json`))
    expect((await quarantine.keep(inMemory(message), ABOUT)).type).toBe('kept')
    expect(readFileSync(victim, 'utf8')).toBe('precious')
    expect(readFileSync(join(directory, 'new', hashOf(message)))).toEqual(message)
  })
})

describe('keeping a message that is not in memory', () => {
  it('stores the same octets under the same name, however they are cut', async () => {
    const quarantine = await open()
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3_000 }),
        fc.array(fc.nat(3_000), { maxLength: 6 }),
        async (octets, cuts) => {
          const message = Buffer.from(octets)
          const at = cuts.map((one) => Math.min(one, message.length)).sort((one, other) => one - other)
          const source = piecesSource(cut(message, at))
          const id = idOf(await quarantine.keep(source, ABOUT))
          expect(readFileSync(join(directory, 'new', hashOf(message)))).toEqual(message)
          expect(await quarantine.keep(inMemory(message), ABOUT)).toEqual({ type: 'kept', id })
          expect(source.open).toBe(0)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('says beside it what its beginning says, and knows it again in memory', async () => {
    const quarantine = await open()
    const source = largeSource(700_000)
    const id = idOf(await quarantine.keep(source, ABOUT))
    expect(await quarantine.list()).toMatchObject([
      { id, octets: 700_000, subject: 'large', from: 'Eve <eve@example.org>', rule: ABOUT.rule },
    ])
    const other = largeSource(700_000, { seed: 2 })
    expect(await quarantine.keep(other, ABOUT)).toEqual({ type: 'kept', id })
    // It is there already, so that the hash is enough.
    expect(other.opened).toBe(1)
    expect(await quarantine.keep(inMemory(largeMessage(700_000)), ABOUT)).toEqual({ type: 'kept', id })
    expect((await quarantine.show(id)).isIntact).toBe(true)
    await quarantine.release(id)
    expect(await quarantine.keep(largeSource(700_000, { seed: 3 }), ABOUT)).toEqual({ type: 'released' })
  })

  it('reads 200 MB no faster than they are on the disk', async () => {
    const quarantine = await open()
    const octets = 200_000_000
    let most = 0
    const source = largeSource(octets, {
      before: (given, opened) => {
        if (opened !== 2) return
        const [draft] = readdirSync(join(directory, 'tmp'))
        const written = draft === undefined ? 0 : statSync(join(directory, 'tmp', draft)).size
        most = Math.max(most, given - written)
      },
    })
    expect(await quarantine.keep(source, ABOUT)).toEqual({
      type: 'kept',
      id: largeHash(octets).slice(0, 16),
    })
    expect(most).toBe(0)
    expect(source).toMatchObject({ opened: 2, open: 0 })
    expect(statSync(join(directory, 'new', largeHash(octets))).size).toBe(octets)
  }, 120_000)

  it('leaves nothing behind where it cannot be read, at whatever octet and time', async () => {
    const quarantine = await open()
    const octets = 500_000
    for (const failsIn of [1, 2]) {
      for (const failsAt of [0, 300_000, octets - 1]) {
        const source = largeSource(octets, {
          before: (given, opened) => {
            if (opened === failsIn && given > failsAt) throw new Error('its file is gone')
          },
        })
        expect(await quarantine.keep(source, ABOUT)).toEqual({
          type: 'failed',
          text: `the message cannot be kept in ${directory}: its file is gone`,
        })
        expect(source).toMatchObject({ opened: failsIn, open: 0 })
        expect(filesBelow(directory)).toEqual([])
      }
    }
    expect((await quarantine.keep(largeSource(octets), ABOUT)).type).toBe('kept')
    expect(await quarantine.list()).toMatchObject([{ octets }])
  })

  it('takes none that has fewer or more octets than it said, or is another when it is read again', async () => {
    const quarantine = await open()
    for (const octets of [999, 1_001]) {
      const source = largeSource(1_000, { octets })
      expect(await quarantine.keep(source, ABOUT)).toMatchObject({
        type: 'failed',
        text: expect.stringContaining(`it was said to have ${octets} octets and `),
      })
      expect(source.open).toBe(0)
    }
    let opened = 0
    const changing = {
      octets: 5,
      inMemory: null,
      beginning: Buffer.alloc(0),
      async *pieces() {
        opened += 1
        yield Buffer.from(`mail${opened}`)
      },
    }
    expect(await quarantine.keep(changing, ABOUT)).toMatchObject({
      type: 'failed',
      text: expect.stringMatching(/ it was another message when it was read once more$/),
    })
    expect(filesBelow(directory)).toEqual([])
  })

  it('is not begun where there is no room for it', async () => {
    const quarantine = await open({ octets: 1_000_000 })
    expect((await quarantine.keep(largeSource(600_000), ABOUT)).type).toBe('kept')
    const source = largeSource(400_001)
    expect(await quarantine.keep(source, ABOUT)).toMatchObject({
      type: 'failed',
      text: expect.stringContaining('600000 octets and may hold 1000000, too few for 400001 more'),
    })
    expect(source).toMatchObject({ opened: 1, open: 0 })
    expect((await quarantine.keep(largeSource(400_000), ABOUT)).type).toBe('kept')
    expect(filesBelow(join(directory, 'tmp'))).toEqual([])
  })

  it('survives a disk that takes no more', async () => {
    const program = `
      const { openQuarantine } = await import('./src/quarantine/quarantine.ts')
      const { QUARANTINE_LIMITS } = await import('./src/quarantine/limits.ts')
      const { largeSource } = await import('./test/support/message-source.ts')
      const about = ${JSON.stringify(ABOUT)}
      const quarantine = await openQuarantine(process.argv[1], QUARANTINE_LIMITS)
      const source = largeSource(4_000_000)
      console.log(JSON.stringify(await quarantine.keep(source, about)))
      console.log(JSON.stringify([source.opened, source.open]))
      console.log(JSON.stringify(await quarantine.keep(largeSource(1_000_000), about)))`
    const { stdout, stderr } = await run('sh', [
      '-c',
      'ulimit -f 2048 && exec "$0" --import tsx --input-type=module -e "$1" "$2"',
      process.execPath,
      program,
      directory,
    ])
    expect(stderr).toBe('')
    const [large = '', read = '', small = ''] = stdout.toString().split('\n')
    expect(JSON.parse(large)).toEqual({
      type: 'failed',
      text: expect.stringContaining('larger than this process may write'),
    })
    expect(JSON.parse(read)).toEqual([2, 0])
    expect(JSON.parse(small)).toMatchObject({ type: 'kept' })
    expect(filesBelow(directory)).toHaveLength(2)
  })
})

describe('releasing and deleting', () => {
  it('delivers what was released from then on, after a restart and a deletion too', async () => {
    const quarantine = await open()
    const id = idOf(await quarantine.keep(inMemory(mail('one')), ABOUT))
    expect(quarantine.isReleased(id)).toBe(false)
    expect(await quarantine.release(id)).toMatchObject({ id, state: 'released' })
    expect(await quarantine.release(id)).toMatchObject({ id, state: 'released' })
    expect(quarantine.isReleased(id)).toBe(true)
    expect(readdirSync(join(directory, 'new'))).toEqual([])
    expect(readdirSync(join(directory, 'cur'))).toEqual([`${hashOf(mail('one'))}:2,S`])
    expect(await quarantine.keep(inMemory(mail('one')), ABOUT)).toEqual({ type: 'released' })
    const again = await open()
    expect(again.isReleased(id)).toBe(true)
    expect((await again.show(id)).content).toEqual(mail('one'))
    await again.delete(id)
    expect(await again.keep(inMemory(mail('one')), ABOUT)).toEqual({ type: 'released' })
    expect(filesBelow(directory)).toEqual([join('released', hashOf(mail('one')))])
  })

  it('is known to another process at once where it matters, and a little later from memory', async () => {
    const proxy = await open()
    const one = idOf(await proxy.keep(inMemory(mail('one')), ABOUT))
    const two = idOf(await proxy.keep(inMemory(mail('two')), ABOUT))
    const person = await open()
    await person.release(one)
    expect(await proxy.keep(inMemory(mail('one')), ABOUT)).toEqual({ type: 'released' })
    await until('the release to be seen', () => proxy.isReleased(one))
    // Within the same step of the file system's clock.
    await person.release(two)
    await until('the second release to be seen', () => proxy.isReleased(two))
  })

  it('takes as many releases as may be and not one more', async () => {
    const quarantine = await open({ released: 1 })
    const one = idOf(await quarantine.keep(inMemory(mail('one')), ABOUT))
    const two = idOf(await quarantine.keep(inMemory(mail('two')), ABOUT))
    await quarantine.release(one)
    await quarantine.release(one)
    expect((await failureOf(quarantine.release(two))).problem).toBe('1 messages are released, and 1 may be')
    expect((await quarantine.keep(inMemory(mail('two')), ABOUT)).type).toBe('kept')
  })

  it('takes a shortened id that means one message, and says what is wrong with any other', async () => {
    const quarantine = await open()
    const message = mail('one')
    const id = idOf(await quarantine.keep(inMemory(message), ABOUT))
    expect((await quarantine.show(id.slice(0, 4).toUpperCase())).content).toEqual(message)
    expect((await quarantine.show(hashOf(message))).content).toEqual(message)
    expect((await failureOf(quarantine.show(id.slice(0, 3)))).cure).toContain('4 or more hexadecimal digits')
    expect((await failureOf(quarantine.show('../../x'))).problem).toBe('"../../x" is no id')
    expect((await failureOf(quarantine.show('0000000000000000'))).problem).toContain('no message here')
    // Two whose names begin alike: nobody can make such contents, so only the names are.
    const twin = `${hashOf(message).slice(0, 40)}${'0'.repeat(24)}`
    writeFileSync(join(directory, 'new', twin), 'twin')
    const { message: text } = await failureOf(quarantine.delete(id))
    expect(text).toContain('2 messages have an id that begins with')
    expect(text).toContain(twin.slice(0, 41))
    expect(readdirSync(join(directory, 'new'))).toHaveLength(2)
  })

  it('shows what is there where sidecars are missing, damaged or newer', async () => {
    const quarantine = await open()
    await quarantine.keep(inMemory(mail('one')), ABOUT)
    const sidecar = join(directory, 'meta', `${hashOf(mail('one'))}.json`)
    for (const text of [null, '', '{', '[]', 'null', '{"postern":"quarantined","version":2,"rule":"x"}']) {
      if (text === null) rmSync(sidecar)
      else writeFileSync(sidecar, text)
      expect(await quarantine.list()).toMatchObject([
        { rule: null, from: 'Eve <eve@example.org>', subject: 'one', at: expect.any(Number) },
      ])
    }
    writeFileSync(
      sidecar,
      JSON.stringify({ postern: 'quarantined', version: 1, rule: 7, subject: 'a\u001bb', at: 1e300 }),
    )
    expect(await quarantine.list()).toMatchObject([
      { rule: null, subject: 'a\\x1bb', at: statSync(join(directory, 'new', hashOf(mail('one')))).mtimeMs },
    ])
  })

  it('leaves alone what is not its own, and follows no link', async () => {
    const quarantine = await open()
    writeFileSync(join(directory, 'new', 'README'), 'x')
    mkdirSync(join(directory, 'cur', 'a'.repeat(64)))
    symlinkSync('/etc/passwd', join(directory, 'new', 'b'.repeat(64)))
    expect(await quarantine.list()).toEqual([])
    await failureOf(quarantine.show('b'.repeat(64)))
  })

  it('tells when a copy was changed', async () => {
    const quarantine = await open()
    const id = idOf(await quarantine.keep(inMemory(mail('one')), ABOUT))
    writeFileSync(join(directory, 'new', hashOf(mail('one'))), mail('two'))
    expect((await quarantine.show(id)).isIntact).toBe(false)
  })

  it('opens a message to be read piece by piece, as often as somebody wants to', async () => {
    const quarantine = await open()
    const id = idOf(await quarantine.keep(largeSource(300_000), ABOUT))
    const { message, content, isIntact } = await quarantine.open(id)
    expect({ message, isIntact }).toMatchObject({ message: { id, octets: 300_000 }, isIntact: true })
    expect(content).toMatchObject({ octets: 300_000, inMemory: null })
    expect(content.beginning.equals(largeMessage(300_000).subarray(0, 262_144))).toBe(true)
    for (const most of [1, Number.POSITIVE_INFINITY]) {
      const pieces: Buffer[] = []
      for await (const piece of content.pieces()) {
        expect(piece.length).toBeLessThanOrEqual(65_536)
        if (pieces.push(piece) >= most) break
      }
      const expected = most === 1 ? (pieces[0]?.length ?? 0) : 300_000
      expect(Buffer.concat(pieces).equals(largeMessage(300_000).subarray(0, expected))).toBe(true)
    }
    await failureOf(quarantine.open('0000000000000000'))
    writeFileSync(join(directory, 'new', message.sha256), mail('two'))
    expect((await quarantine.open(id)).isIntact).toBe(false)
    rmSync(join(directory, 'new', message.sha256))
    symlinkSync('/etc/passwd', join(directory, 'new', message.sha256))
    await failureOf(content.pieces()[Symbol.asyncIterator]().next())
  })

  it('lists the oldest first', async () => {
    const quarantine = await open()
    await quarantine.keep(inMemory(mail('young')), { ...ABOUT, at: 2_000 })
    await quarantine.keep(inMemory(mail('old')), { ...ABOUT, at: 1_000 })
    expect((await quarantine.list()).map(({ subject }) => subject)).toEqual(['old', 'young'])
  })
})
