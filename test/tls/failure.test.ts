import { describe, expect, it } from 'vitest'
import { describeTlsError, type FailureContext } from '../../src/tls/failure.js'

const context: FailureContext = {
  name: 'pop.example.org',
  chain: [],
  minimumTls: 'TLSv1.2',
  now: new Date('2026-06-01T00:00:00Z'),
}

function opensslError(code: string, message = ''): Error {
  return Object.assign(new Error(message), { code })
}

describe('an error of a TLS connection', () => {
  it.each([
    // The same alert, as Node 20 and Node 24 name it.
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'server refused TLS (handshake failure)'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'server refused TLS (handshake failure)'],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'server refused TLS (unrecognized name)'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'server speaks nothing newer than TLS 1.1'],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'server speaks nothing newer than TLS 1.1'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'server does not speak POP3 on this port'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'server does not answer in TLS'],
    ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'server does not answer in TLS'],
    ['ERR_TLS_DH_PARAM_SIZE', 'server offers a key exchange that is too weak'],
    ['ECONNRESET', 'server closed the connection within the TLS handshake'],
    ['CERT_HAS_EXPIRED', 'server certificate expired'],
    ['CERT_REVOKED', 'server certificate is revoked'],
    ['EE_KEY_TOO_SMALL', 'server certificate has a key that is too short'],
  ])('%s reads: %s', (code, text) => {
    expect(describeTlsError(opensslError(code), context).text).toBe(text)
  })

  it('is told by its text where Node has no code for it', () => {
    const weak = describeTlsError(opensslError('UNSPECIFIED', 'EE certificate key too weak'), context)
    expect(weak.code).toBe('POSTERN_SERVER_CERTIFICATE_WEAK')
    const digest = describeTlsError(
      opensslError('UNSPECIFIED', 'CA signature digest algorithm too weak'),
      context,
    )
    expect(digest.text).toBe('server certificate has a signature that is too weak')
  })

  it.each(['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'INVALID_PURPOSE'])(
    '%s has a hint that names the option and the key to accept the certificate by, as users type them',
    (code) => {
      const { hint } = describeTlsError(opensslError(code), context)
      expect(hint).toMatch(/--accept-certificate or under accept-certificates$/)
      expect(hint).not.toContain('acceptCertificates')
    },
  )

  it('is one short harmless line even when nobody knows it', () => {
    for (const error of [
      new Error(`\u001b]0;x\u0007\r\n${'y'.repeat(500)}`),
      'nonsense\r\n',
      undefined,
      { code: 5 },
    ]) {
      const failure = describeTlsError(error, context)
      expect(failure.text).toMatch(/^[\x20-\x7e]{1,120}$/)
      expect(failure.code).toBe('POSTERN_SERVER_TLS_FAILED')
    }
  })

  it('is temporary where another attempt may succeed', () => {
    const isPermanent = (code: string): boolean => describeTlsError(opensslError(code), context).permanent
    expect(isPermanent('ECONNRESET')).toBe(false)
    expect(isPermanent('ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')).toBe(false)
    expect(isPermanent('CERT_HAS_EXPIRED')).toBe(true)
    expect(isPermanent('ERR_SSL_WRONG_VERSION_NUMBER')).toBe(true)
  })
})
