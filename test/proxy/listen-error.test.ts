import { describe, expect, it } from 'vitest'
import { ListenError } from '../../src/proxy/listen-error.js'

function errorOf(code: string | null): ListenError {
  const cause = new Error(`listen ${code}: as the system says it`)
  return new ListenError('pop3://127.0.0.1:110', code === null ? cause : Object.assign(cause, { code }))
}

describe('ListenError', () => {
  it('says of a taken port that another program listens there, and how to find it', () => {
    const error = errorOf('EADDRINUSE')
    expect(error.message).toBe(
      'cannot listen on pop3://127.0.0.1:110: another program listens there (EADDRINUSE)',
    )
    expect(error.cure).toContain('`ss -ltnp` names it')
    expect(error.cure).toContain('--listen')
    expect(error).toMatchObject({ name: 'ListenError', url: 'pop3://127.0.0.1:110', code: 'EADDRINUSE' })
  })

  it('says of a reserved port how to do without root', () => {
    const error = errorOf('EACCES')
    expect(error.message).toBe(
      'cannot listen on pop3://127.0.0.1:110: ports below 1024 are reserved for root (EACCES)',
    )
    expect(error.cure).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE')
    expect(error.cure).toContain('`nft add rule ip nat prerouting tcp dport 110 redirect to :1110`')
    // It takes no socket from its parent, so nobody shall be told to write such a unit.
    expect(error.cure).not.toContain('socket')
  })

  it('names the option that the address comes from, and of a reserved port no more than that', () => {
    const cureOf = (code: string): string => {
      const cause = Object.assign(new Error('no'), { code })
      return new ListenError('http://127.0.0.1:90', cause, '--metrics').cure
    }
    expect(cureOf('EADDRINUSE')).toMatch(/another port with --metrics$/)
    expect(cureOf('EACCES')).toBe('choose another address with --metrics')
    expect(cureOf('EMFILE')).toBe('choose another address with --metrics')
  })

  it('says of an address that is not here where to look', () => {
    expect(errorOf('EADDRNOTAVAIL').cure).toContain('ip address')
  })

  it.each([['EMFILE'], [null]])('passes on what it does not know: %s', (code) => {
    const error = errorOf(code)
    expect(error.message).toContain(`listen ${code}: as the system says it`)
    expect(error.code).toBe(code ?? 'unknown')
    expect(error.cure).toContain('--listen')
    expect(error.cause).toBeInstanceOf(Error)
  })
})
