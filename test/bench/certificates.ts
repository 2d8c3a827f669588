/**
 * The throw-away authority of one bench run and the one P-256 certificate, for `localhost` and 127.0.0.1, that
 * the server and every subject's POP3S listener show. Made by the openssl command, valid for two days.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM files, absolute. */
export interface CertificateFiles {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  /** Certificate and key in one file, as haproxy and mitmproxy want it. */
  readonly bothFile: string
}

/**
 * Makes authority and certificate.
 *
 * @param directory an existing directory that nobody else writes to
 * @throws where the openssl command is missing or fails; its words are in the message
 */
export function makeCertificates(directory: string): CertificateFiles {
  const file = (name: string): string => join(directory, name)
  const files = {
    caFile: file('ca.pem'),
    certFile: file('cert.pem'),
    keyFile: file('key.pem'),
    bothFile: file('both.pem'),
  }
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 })
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    ...['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=postern bench authority'],
    ...['-keyout', file('ca-key.pem'), '-out', files.caFile],
  )
  openssl(
    ...['req', '-new', ...newKey, '-subj', '/CN=localhost'],
    ...['-keyout', files.keyFile, '-out', file('request.pem')],
  )
  writeFileSync(
    file('extensions'),
    'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n',
  )
  openssl(
    ...['x509', '-req', '-in', file('request.pem'), '-CA', files.caFile, '-CAkey', file('ca-key.pem')],
    ...['-CAcreateserial', '-days', '2', '-extfile', file('extensions'), '-out', files.certFile],
  )
  writeFileSync(files.bothFile, readFileSync(files.certFile, 'utf8') + readFileSync(files.keyFile, 'utf8'))
  return files
}
