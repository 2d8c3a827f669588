import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { selfSigned, testAuthority } from './certificates.js'

describe('certificates for tests', () => {
  it('issues leaves below an intermediate that Node verifies link by link', () => {
    const root = testAuthority({ bits: 2048 })
    const middle = root.intermediate()
    const leaf = middle.issue({ names: ['pop.example.org', '127.0.0.1', '::1'] })
    const read = new X509Certificate(leaf.cert)
    const above = new X509Certificate(middle.cert)
    expect(read.verify(above.publicKey)).toBe(true)
    expect(read.checkIssued(above)).toBe(true)
    expect(above.verify(new X509Certificate(root.cert).publicKey)).toBe(true)
    expect(leaf.chain).toBe(leaf.cert + middle.cert)
    expect(read.subjectAltName).toBe('DNS:pop.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    expect(read.ca).toBe(false)
    expect(above.ca).toBe(true)
  })

  it('spoils what it is asked to spoil', () => {
    const weak = new X509Certificate(selfSigned({ bits: 1024, days: -2, digest: 'sha1' }).cert)
    expect(weak.publicKey.asymmetricKeyDetails?.modulusLength).toBe(1024)
    expect(new Date(weak.validTo).getTime()).toBeLessThan(Date.now())
    const future = new Date(Date.now() + 3 * 86_400_000)
    const early = new X509Certificate(selfSigned({ notBefore: future }).cert)
    expect(new Date(early.validFrom).getTime()).toBeGreaterThan(Date.now() + 2 * 86_400_000)
  })
})
