import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editorText } from '../../src/dashboard/editor-text.js'

describe('editorText', () => {
  it('shows LF and restores CRLF', () => {
    const text = editorText(Buffer.from('Subject: a\r\n\r\nbody\r\n'))
    expect(text.octets.toString()).toBe('Subject: a\n\nbody\n')
    expect(text.restore(Buffer.from('Subject: b\n\nbody\n'))?.toString()).toBe('Subject: b\r\n\r\nbody\r\n')
  })

  it('gives a line its end for the editor, and takes it away again', () => {
    const text = editorText(Buffer.from('RETR 3'))
    expect(text.octets.toString()).toBe('RETR 3\n')
    expect(text.restore(Buffer.from('RETR 4\n'))?.toString()).toBe('RETR 4')
    expect(text.restore(Buffer.from('RETR 4'))?.toString()).toBe('RETR 4')
  })

  it('leaves mixed line ends as they are', () => {
    const text = editorText(Buffer.from('a\r\nb\nc\r\n'))
    expect(text.octets.toString()).toBe('a\r\nb\nc\r\n')
    expect(text.restore(Buffer.from('x\r\nb\nc\r\n'))?.toString()).toBe('x\r\nb\nc\r\n')
  })

  it('takes CRLF that the editor wrote for CRLF', () => {
    expect(editorText(Buffer.from('a\r\nb\r\n')).restore(Buffer.from('a\r\nc\r\n'))?.toString()).toBe(
      'a\r\nc\r\n',
    )
  })

  it('keeps octets that are no text', () => {
    const octets = Buffer.from([0xff, 0x00, 0x80, 0x0d, 0x0a])
    const edited = Buffer.concat([Buffer.from('x'), editorText(octets).octets])
    expect(editorText(octets).restore(edited)).toEqual(Buffer.concat([Buffer.from('x'), octets]))
  })

  it('says of any octets that are left as they were that nothing was changed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        const text = editorText(Buffer.from(octets))
        expect(text.restore(text.octets)).toBeNull()
      }),
    )
  })
})
