import { describe, expect, test } from 'vitest'
import { Output } from '../../src/relay/output.js'

describe('output', () => {
  test('keeps the effects of one input in their order, dated alike, and leaves them to who took them', () => {
    const output = new Output('s1')
    output.begin(5)
    output.write('client', Buffer.from('a'))
    output.trace({ type: 'unsolicited', octets: 1 })
    output.effect({ type: 'end', side: 'client' })
    const first = output.effects
    output.begin(6)
    output.effect({ type: 'connect-server' })
    expect(first).toEqual([
      { type: 'write', side: 'client', octets: Buffer.from('a') },
      { type: 'trace', event: { at: 5, session: 's1', content: { type: 'unsolicited', octets: 1 } } },
      { type: 'end', side: 'client' },
    ])
    expect(output.effects).toEqual([{ type: 'connect-server' }])
    expect(output.now).toBe(6)
  })

  test('writes no empty octets', () => {
    const output = new Output('s1')
    output.begin(1)
    output.write('server', Buffer.alloc(0))
    expect(output.effects).toEqual([])
  })

  test('counts what each side is written, on both ways in', () => {
    const output = new Output('s1')
    output.begin(1)
    output.write('client', Buffer.from('ab'))
    output.write('server', Buffer.from('c'))
    const content = Buffer.from('defg')
    output.beginWithWrite(content, 2)
    output.trace({ type: 'unsolicited', octets: 1 })
    const [write, trace] = output.effects
    expect(write).toEqual({ type: 'write', side: 'client', octets: content })
    expect(write?.type === 'write' && write.octets).toBe(content)
    expect(trace).toMatchObject({ type: 'trace', event: { at: 2 } })
    expect(output.toClient).toBe(6)
    expect(output.toServer).toBe(1)
  })
})
