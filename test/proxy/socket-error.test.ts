import { describe, expect, it } from 'vitest'
import { describeSocketError } from '../../src/proxy/socket-error.js'

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 192.0.2.1:995`), { code })
}

describe('describeSocketError', () => {
  it.each([
    ['ECONNREFUSED', 'server pop.example.org:995 refused the connection'],
    ['ETIMEDOUT', 'server pop.example.org:995 did not answer'],
    ['ENOTFOUND', 'server pop.example.org:995 has a name that does not resolve'],
    ['EAI_AGAIN', 'server pop.example.org:995 has a name that could not be resolved now'],
    ['EMFILE', 'server pop.example.org:995 cannot be reached: postern has no descriptors left'],
    ['EPROTO', 'server pop.example.org:995 cannot be reached (EPROTO)'],
  ])('names the server and what %s means', (code, text) => {
    expect(describeSocketError(systemError(code), 'pop.example.org', 995)).toEqual({
      code: 'POSTERN_SERVER_UNREACHABLE',
      isPermanent: false,
      text,
      hint: '`postern doctor` tests the way to the server',
    })
  })

  it('takes the first cause where several addresses were tried', () => {
    const error = new AggregateError([
      new Error('odd'),
      systemError('ECONNREFUSED'),
      systemError('ETIMEDOUT'),
    ])
    expect(describeSocketError(error, 'h', 1).text).toBe('server h:1 refused the connection')
  })

  it('says so where no cause has a code', () => {
    expect(describeSocketError(new AggregateError([]), 'h', 1).text).toBe(
      'server h:1 cannot be reached (no code)',
    )
  })
})
