import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { savePart } from '../../../src/dashboard/screens/message-file.js'
import { describeMessage } from '../../../src/mail/message.js'
import { messagesOf } from '../../../src/sessions/messages.js'
import { START } from '../../sessions/script.js'
import { fetched, fetching, LUNCH } from './mail-scene.js'

const record = fetched(fetching('s1', 'bob', START), 1, LUNCH).record()
const [message] = messagesOf(record)

function nameOf(name: string | null, type = 'application/pdf'): string {
  if (message === undefined) throw new Error('no message')
  const part = { ...describeMessage(Buffer.from(LUNCH)).outline.root, name, type, path: '1.2' }
  const effect = savePart(record, message, part, Buffer.alloc(3))
  if (effect.type !== 'save') throw new Error('nothing is saved')
  return effect.name
}

describe('the file of a part', () => {
  it('has the name that the part asks for, without folders and what shells read', () => {
    expect(nameOf('resume.pdf')).toBe('resume.pdf')
    expect(nameOf('/etc/passwd')).toBe('etc_passwd')
    expect(nameOf('..\\..\\autoexec.bat')).toBe('autoexec.bat')
    expect(nameOf('-rf.txt')).toBe('rf.txt')
    expect(nameOf('.bashrc')).toBe('bashrc')
    expect(nameOf('Übersicht 2026.pdf')).toBe('Übersicht_2026.pdf')
  })

  it('is named after session, command and part where the part has no name of use', () => {
    expect(nameOf(null)).toBe('s1-4-part-1.2.pdf')
    expect(nameOf('...')).toBe('s1-4-part-1.2.pdf')
    expect(nameOf(null, 'application/x-unknown')).toBe('s1-4-part-1.2.bin')
  })

  it('keeps its extension where its name is too long', () => {
    expect(nameOf(`${'a'.repeat(500)}.pdf`)).toBe(`${'a'.repeat(56)}.pdf`)
  })

  it('is never a path, an option, a hidden file or a control sequence', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .array(fc.constantFrom('..', '/', '\\', '\x1b[2J', '\u202e', ' ', '-', '$(x)', '👾', 'a', '.', '\0'))
        .map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(hostile, (name) => {
        const made = nameOf(name)
        expect(made).toMatch(/^[^/\\\p{C}\p{Z}$`'"*?<>|;&:]+$/u)
        expect(made).not.toMatch(/^[.-]/)
        expect(Buffer.byteLength(made)).toBeLessThanOrEqual(255)
      }),
    )
  })
})
