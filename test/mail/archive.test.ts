import fc from 'fast-check'
import { zipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { type ArchiveListing, listArchive } from '../../src/mail/archive.js'
import { MAIL_LIMITS } from '../../src/mail/limits.js'
import { describeMessage } from '../../src/mail/message.js'
import { expectGrowth } from '../support/growth.js'
import { haveCorpus, readCorpus } from '../support/real.js'
import { run, temporaryDirectory } from '../support/tools.js'

const BOUNDS = { names: MAIL_LIMITS.archiveNames, nameCharacters: MAIL_LIMITS.archiveNameCharacters }
const END_OCTETS = 22

function zip(...names: readonly string[]): Buffer {
  return Buffer.from(zipSync(Object.fromEntries(names.map((name) => [name, Buffer.from(`in ${name}`)]))))
}

function listed(octets: Buffer, bounds = BOUNDS): Pick<ArchiveListing, 'names' | 'isWhole'> | null {
  const listing = listArchive(octets, bounds)
  return listing === null ? null : { names: listing.names, isWhole: listing.isWhole }
}

/** A copy with octets changed. @param at from the end where negative */
function changed(octets: Buffer, at: number, ...values: readonly number[]): Buffer {
  const copy = Buffer.from(octets)
  copy.set(values, at < 0 ? copy.length + at : at)
  return copy
}

/** Where the directory of an archive of {@link zip} begins. */
function directoryOf(octets: Buffer): number {
  return octets.readUInt32LE(octets.length - END_OCTETS + 16)
}

function withComment(octets: Buffer, comment: Buffer): Buffer {
  const copy = Buffer.concat([octets, comment])
  copy.writeUInt16LE(comment.length, octets.length - 2)
  return copy
}

describe('the names in an archive', () => {
  test('are those of its directory, in its order', () => {
    expect(listed(zip('a.txt', 'folder/b.exe', 'ünï.doc'))).toEqual({
      names: ['a.txt', 'folder/b.exe', 'ünï.doc'],
      isWhole: true,
    })
    expect(listed(zip())).toEqual({ names: [], isWhole: true })
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('PK is a name')],
    ['an end record in a picture', Buffer.concat([Buffer.from('GIF89a'), zip()])],
    ['one in its last octets', Buffer.from('GIF89aPK\x05\x06', 'latin1')],
  ])('are not looked for in %s', (_what, octets) => {
    expect(listed(octets)).toBeNull()
  })

  test('count where something was put before the archive, or behind it', () => {
    const names = ['a.exe', 'b.txt']
    expect(listed(Buffer.concat([Buffer.from('GIF89a, says it'), zip(...names)]))).toEqual({
      names,
      isWhole: true,
    })
    expect(listed(Buffer.concat([zip(...names), Buffer.alloc(65_535)]))).toEqual({ names, isWhole: true })
    expect(listed(Buffer.concat([zip(...names), Buffer.alloc(65_536)]))).toEqual({
      names: [],
      isWhole: false,
    })
  })

  test('count whatever number of files and size of the directory the archive tells', () => {
    const octets = zip('a.exe', 'b.txt')
    for (const count of [0, 1, 255]) {
      const told = changed(octets, -END_OCTETS + 8, count, 0, count, 0)
      expect(listed(told)).toEqual({ names: ['a.exe', 'b.txt'], isWhole: true })
    }
    expect(listed(changed(octets, -END_OCTETS + 12, 0, 0, 0, 0))?.names).toEqual(['a.exe', 'b.txt'])
    expect(listed(changed(octets, -END_OCTETS + 16, 9, 9, 9, 9))?.names).toEqual(['a.exe', 'b.txt'])
  })

  test('count of every end record that a program may go by', () => {
    const inner = zip('b.exe')
    // The directory of the second one lies in the comment of the first, or the other way round.
    const both = listed(withComment(zip('a.exe'), inner))
    expect(both?.names.toSorted()).toEqual(['a.exe', 'b.exe'])
    // One in the comment that tells of nothing, and one whose own comment goes on behind the end.
    for (const comment of [zip(), changed(zip(), -2, 9, 9)])
      expect(listed(withComment(zip('a.exe'), comment))?.names).toEqual(['a.exe'])
    const many = Buffer.concat(
      Array.from({ length: 20 }, (_, index) =>
        changed(zip(), -2, ((19 - index) * END_OCTETS) & 0xff, ((19 - index) * END_OCTETS) >> 8),
      ),
    )
    expect(listed(withComment(zip('a.exe'), many))).toMatchObject({ isWhole: false })
  })

  test('are not all known where an archive lies behind another, or a file is in no directory', () => {
    expect(listed(Buffer.concat([zip('a.exe', 'c'), zip('b.txt')]))).toEqual({
      names: ['b.txt'],
      isWhole: false,
    })
    const octets = zip('a.exe', 'b.txt')
    const start = directoryOf(octets)
    const second = octets.indexOf('PK\x01\x02', start + 4, 'latin1')
    const told = Buffer.alloc(4)
    told.writeUInt32LE(second)
    const hidden = changed(octets, -END_OCTETS + 16, ...told)
    const size = Buffer.alloc(4)
    size.writeUInt32LE(octets.length - END_OCTETS - second)
    expect(listed(changed(hidden, -END_OCTETS + 12, ...size))).toEqual({ names: ['b.txt'], isWhole: false })
  })

  test('are not all known where the archive is cut off, damaged or masked', () => {
    const octets = zip('a.exe', 'b.txt')
    const start = directoryOf(octets)
    for (const length of [4, 30, start, octets.length - 1])
      expect(listed(octets.subarray(0, length)), String(length)).toEqual({ names: [], isWhole: false })
    const second = octets.indexOf('PK\x01\x02', start + 4, 'latin1')
    expect(listed(changed(octets, second, 0))).toEqual({ names: ['a.exe'], isWhole: false })
    // A name that reaches beyond the end.
    expect(listed(changed(octets, second + 28, 0xff, 0xff))).toEqual({ names: ['a.exe'], isWhole: false })
    expect(listed(changed(octets, start + 9, 0x20))).toMatchObject({ isWhole: false })
  })

  test('are named and not looked into where they are of archives', () => {
    const stored = zipSync({ 'a.txt': Buffer.from('x'), 'inner.zip': zip('inner.exe') }, { level: 0 })
    expect(listed(Buffer.from(stored))).toEqual({ names: ['a.txt', 'inner.zip'], isWhole: true })
  })

  test('are harmless, in the charset of old archives where they are not UTF-8, and cut at a NUL as well', () => {
    const octets = zip('a\x1b[2J\u202eb.exe', 'c.exe\0.txt', 'd_.txt')
    const name = octets.lastIndexOf('d_.txt')
    expect(listed(changed(octets, name + 1, 0x81))).toEqual({
      names: ['a\\x1b[2J\\u{202e}b.exe', 'c.exe\\x00.txt', 'c.exe', 'dü.txt'],
      isWhole: true,
    })
  })

  test('count in UTF-8 beside the name as well', () => {
    const name = Buffer.from('real.exe')
    const extra = { 28789: Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), name]), 39169: Buffer.alloc(3) }
    const octets = Buffer.from(zipSync({ 'shown.txt': [Buffer.from('x'), { extra }] }))
    expect(listed(octets)?.names.toSorted()).toEqual(['real.exe', 'shown.txt'])
    const again = octets.lastIndexOf(name)
    // An extra field that is longer than all of them.
    expect(listed(changed(octets, again - 7, 0xff, 0xff))?.names).toContain('shown.txt')
  })

  test('are read up to a number and a length, and no further', () => {
    const many = (count: number) => zip(...Array.from({ length: count }, (_, index) => `${index}`))
    expect(listed(many(20), { ...BOUNDS, names: 20 })).toMatchObject({ isWhole: true })
    const beyond = listed(many(21), { ...BOUNDS, names: 20 })
    expect(beyond?.isWhole).toBe(false)
    expect(beyond?.names).toHaveLength(20)
    expect(listed(zip('a'.repeat(1_024)))?.names[0]).toBe('a'.repeat(1_024))
    expect(listed(zip('a'.repeat(1_025)))?.names[0]).toBe(`${'a'.repeat(1_024)}… (+1)`)
  })

  test('are those of real programs, encrypted or large archives included', async () => {
    const directory = temporaryDirectory('archives')
    try {
      const script = [
        'import zipfile, io, sys',
        'z = zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED)',
        'z.writestr("ünï/a.exe", "x" * 1000); z.writestr("b.txt", "y"); z.comment = b"said"; z.close()',
        '# More than 65,535 files: the numbers stand in other records.',
        'z = zipfile.ZipFile("large.zip", "w")',
        '[z.writestr(f"{n}", "") for n in range(65600)]; z.close()',
        'data = bytearray(open("a.zip", "rb").read())',
        '# As encryption marks it: the first flag.',
        'at = -1',
        'while (at := data.find(b"PK\\x01\\x02", at + 1)) >= 0: data[at + 8] |= 1',
        'open("encrypted.zip", "wb").write(data)',
      ].join('\n')
      const { status, stderr } = await run('python3', ['-c', script], {
        cwd: directory.path,
        limitMs: 60_000,
      })
      expect([stderr, status]).toEqual(['', 0])
      const { readFileSync } = await import('node:fs')
      const read = (file: string) => readFileSync(`${directory.path}/${file}`)
      const expected = { names: ['ünï/a.exe', 'b.txt'], isWhole: true }
      expect(listed(read('a.zip'))).toEqual(expected)
      expect(listed(read('encrypted.zip'))).toEqual(expected)
      const large = listed(read('large.zip'), { ...BOUNDS, names: 100_000 })
      expect(large?.names).toHaveLength(65_600)
      expect(large?.isWhole).toBe(true)
    } finally {
      directory.remove()
    }
  })

  test('never fail to be looked for, whatever the octets are', () => {
    const real = [zip('a.exe', 'b.txt', 'c'), withComment(zip('a'), zip('b')), zip()]
    const mutated = fc
      .tuple(
        fc.constantFrom(...real),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 12 }),
        fc.nat(400),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([octets, changes, cut, before]) => {
        const copy = Buffer.from(octets)
        for (const [at, value] of changes) copy[at % copy.length] = value
        return Buffer.concat([
          before,
          copy.subarray(0, copy.length - (cut % 5 === 0 ? cut % copy.length : 0)),
        ])
      })
    const pieces = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            'PK\x03\x04',
            'PK\x01\x02',
            'PK\x05\x06',
            'PK\x06\x06',
            'PK\x06\x07',
            '\0'.repeat(20),
          ),
          fc.string({ unit: 'binary', maxLength: 30 }),
        ),
        { maxLength: 30 },
      )
      .map((some) => Buffer.from(some.join(''), 'latin1'))
    fc.assert(
      fc.property(fc.oneof(mutated, pieces, fc.uint8Array({ maxLength: 300 })), (some) => {
        const listing = listArchive(Buffer.from(some), { names: 5, nameCharacters: 20 })
        if (listing === null) return
        expect(listing.namesRead).toBeLessThanOrEqual(5)
        for (const name of listing.names) {
          expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u)
          expect(name.length).toBeLessThan(250)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  test('cost time linear to the archive, whatever it is made of', () => {
    const bounds = { names: Number.POSITIVE_INFINITY, nameCharacters: 100 }
    for (const piece of ['PK\x05\x06', 'PK\x01\x02', `PK\x05\x06${'\0'.repeat(18)}`])
      expectGrowth('linear', { from: 2_000 }, (count) => {
        const octets = Buffer.from(`PK\x03\x04${piece.repeat(count)}`, 'latin1')
        return () => listArchive(octets, bounds)
      })
  })
})

/** A mail with attachments in base64. */
function mailOf(...attachments: readonly Buffer[]): Buffer {
  return Buffer.from(
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...attachments.flatMap((octets, index) => [
        '--b',
        `Content-Disposition: attachment; filename=${index}.txt`,
        'Content-Transfer-Encoding: base64',
        '',
        octets.toString('base64').replace(/.{76}/g, '$&\r\n'),
      ]),
      '--b--',
      '',
    ].join('\r\n'),
  )
}

describe('attachments', () => {
  const filesOf = (mail: Buffer, limits = MAIL_LIMITS) =>
    describeMessage(mail, limits).attachments.map(({ files, isUnlisted }) => [files, isUnlisted])

  test('have the names of what is in them, whatever they call themselves', () => {
    expect(filesOf(mailOf(zip('a.exe'), Buffer.from('text'), zip('b', 'c').subarray(0, 40)))).toEqual([
      [['a.exe'], false],
      [[], false],
      [[], true],
    ])
  })

  test('share one bound of names, and one of octets', () => {
    const mail = mailOf(zip('a', 'b'), zip('c', 'd'), zip('e'))
    expect(filesOf(mail, { ...MAIL_LIMITS, archiveNames: 5 })).toEqual([
      [['a', 'b'], false],
      [['c', 'd'], false],
      [['e'], false],
    ])
    expect(filesOf(mail, { ...MAIL_LIMITS, archiveNames: 3 })).toEqual([
      [['a', 'b'], false],
      [['c'], true],
      [[], true],
    ])
    const { octets: transferred = 0 } = describeMessage(mailOf(zip('a'))).outline.parts[1] ?? {}
    const pair = mailOf(zip('a'), zip('b'))
    expect(filesOf(pair, { ...MAIL_LIMITS, archiveOctets: 2 * transferred })[1]).toEqual([['b'], false])
    expect(filesOf(pair, { ...MAIL_LIMITS, archiveOctets: 2 * transferred - 1 })[1]).toEqual([[], true])
    // What is no archive is none, however large.
    expect(filesOf(mailOf(Buffer.from('text')), { ...MAIL_LIMITS, archiveOctets: 0 })).toEqual([[[], false]])
  })

  test('count once, however many messages they were forwarded in', () => {
    const forwarded = (mail: Buffer, times: number): Buffer => {
      const head = 'Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\n'
      return times === 0 ? mail : forwarded(Buffer.concat([Buffer.from(head), mail]), times - 1)
    }
    const { octets: transferred = 0 } = describeMessage(mailOf(zip('a.exe'))).outline.parts[1] ?? {}
    const files = filesOf(forwarded(mailOf(zip('a.exe')), 5), { ...MAIL_LIMITS, archiveOctets: transferred })
    expect(files.at(-1)).toEqual([['a.exe'], false])
    expect(files.slice(0, -1).every(([names]) => Array.isArray(names) && names.length === 0)).toBe(true)
    // What only calls itself a message is none.
    const posing = Buffer.concat([
      Buffer.from('Content-Type: message/rfc822; name=a.zip\r\nContent-Transfer-Encoding: binary\r\n\r\n'),
      zip('a.exe'),
    ])
    expect(filesOf(posing)[0]).toEqual([['a.exe'], false])
  })

  test('are not decoded before somebody asks', () => {
    const mail = mailOf(zip('a.exe'))
    const { attachments } = describeMessage(mail)
    // Looked at later, the message is another one: a proof that nothing was kept of it before.
    mail.fill('A', mail.indexOf('UEsDB'), mail.lastIndexOf('--b--') - 4)
    expect(attachments[0]?.files).toEqual([])
  })

  test.skipIf(!haveCorpus())('of the corpus: archives are found, and no more than there are', () => {
    const found = readCorpus().flatMap(({ file, content }) =>
      describeMessage(content).attachments.flatMap(({ name, files, isUnlisted }) =>
        files.length > 0 || isUnlisted ? [`${file} ${name}: ${files.length}${isUnlisted ? '?' : ''}`] : [],
      ),
    )
    expect(found).toMatchInlineSnapshot(`
      [
        "enmime-parts-bin-attach.eml test.bin: 0?",
        "rspamd-broken-richtext.eml eicar.zip: 1",
        "rspamd-f-zip-001.eml f.zip.001: 1",
        "rspamd-zip-doublebad.eml f.zip: 1",
        "spamassassin-spam-olevbmacro-malicemacro.eml automacro.xlsm: 12",
        "spamassassin-spam-olevbmacro-target-uri.eml uridoc.docx: 9",
        "spamassassin-spam-olevbmacro-zippwmacro.eml macro.zip: 1",
        "spamscope-mail-test-11.eml Prokuratura Rejonowa Warszawa-Śródmieście północ sygn. 2Ds. 137414 - RSK pracowników Skarbowych NSZZ Solidarność - Zarządzenie o odmowie dopuszczenia SOWP do udziału w postepowaniu.pdf: 1",
      ]
    `)
  })
})
