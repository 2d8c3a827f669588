/**
 * `postern doctor`: looks at everything a start depends on and says of each whether it is well, with the cure where
 * it is not. Changes nothing, logs in nowhere.
 */
import { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, isIP } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { loadConfig } from '../config/load.js'
import { formatMetricsAddress } from '../config/metrics-address.js'
import type { ListenerSettings, MetricsSettings, ServiceSettings, Settings } from '../config/settings.js'
import { formatLegUrl } from '../config/url.js'
import { announces, type Capability } from '../pop3/capabilities.js'
import { ListenError } from '../proxy/listen-error.js'
import { AUTHORITY_KEY_FILE, loadAuthority } from '../tls/authority.js'
import { CertificateError } from '../tls/certificate-error.js'
import { safeText } from '../trace/safe-text.js'
import { defaultAuthorityDirectory } from './ca.js'
import { EXIT_CODES, type ExitCode } from './exit-codes.js'
import { checkOptions, currentSurroundings, type SharedOptions } from './options.js'
import { ServerDialogue, ServerFailure } from './server-dialogue.js'
import { nodeAgeWarning, refuseUnsafeEnvironment, settingsWarnings } from './start-warnings.js'

/** The outcome of one check. */
export interface Finding {
  readonly verdict: 'ok' | 'warn' | 'fail'
  /** What was looked at, as `upstream pop3s://pop.example.org:995`. */
  readonly what: string
  readonly found: string
  readonly cure: string | null
}

/** Days before the end of a certificate at which somebody should hear of it. */
const WARN_DAYS = 21
const DAY_MS = 86_400_000

/** No certificate that matters is older than this program; a clock before it is wrong for certain. */
const EARLIEST_PLAUSIBLE = '2026-01-01'

/**
 * Checks and prints, one line for each check, as soon as it is known.
 *
 * @returns 0 where all is well or only warned of, 6 where a server cannot be used, 1 where something else failed
 */
export async function doctor(options: SharedOptions): Promise<ExitCode> {
  const checked = checkOptions(options, process.cwd())
  const { settings, files } = loadConfig(
    checked.file,
    checked.commandLine,
    currentSurroundings(defaultAuthorityDirectory()),
  )
  refuseUnsafeEnvironment(process.env)
  const now = new Date()
  let code: ExitCode = EXIT_CODES.success
  const report = (finding: Finding): void => {
    process.stdout.write(`${formatFinding(finding)}\n`)
    if (finding.verdict !== 'fail' || code === EXIT_CODES.upstream) return
    code = finding.what.startsWith(UPSTREAM) ? EXIT_CODES.upstream : EXIT_CODES.failure
  }

  report(checkNode(now))
  report(checkClock(now))
  report(configurationFound(files, settings))
  for (const warning of settingsWarnings(settings, process.env)) {
    report({ verdict: 'warn', what: 'settings', found: warning, cure: null })
  }
  report(checkAuthority(settings, now))
  if (settings.metrics.type === 'address') report(await checkMetrics(settings.metrics))
  for (const service of settings.services) {
    for (const listener of service.listeners) {
      for (const finding of await checkListener(listener, now)) report(finding)
    }
    await checkUpstream(service, now, report)
  }
  return code
}

/** Words a finding as one line, harmless to a terminal whatever a server said. */
export function formatFinding(finding: Finding): string {
  const cure = finding.cure === null ? '' : `  → ${finding.cure}`
  return safeText(`${finding.verdict.padEnd(4)}  ${finding.what}: ${finding.found}${cure}`, 2_000)
}

function checkNode(now: Date): Finding {
  const warning = nodeAgeWarning(process.version, now)
  return warning === null
    ? { verdict: 'ok', what: 'node', found: process.version, cure: null }
    : { verdict: 'warn', what: 'node', found: warning, cure: null }
}

function checkClock(now: Date): Finding {
  const today = now.toISOString().slice(0, 10)
  return today >= EARLIEST_PLAUSIBLE
    ? { verdict: 'ok', what: 'clock', found: now.toISOString(), cure: null }
    : {
        verdict: 'fail',
        what: 'clock',
        found: `it says ${today}, which cannot be: every certificate would look wrong`,
        cure: 'set the clock, for example with timedatectl set-ntp true',
      }
}

function configurationFound(files: readonly string[], settings: Settings): Finding {
  const what = 'configuration'
  if (settings.services.length === 0) {
    return {
      verdict: 'warn',
      what,
      found: 'no server is named, so none is checked',
      cure: 'postern doctor --upstream pop3s://pop.example.org',
    }
  }
  const names = settings.services.map(({ name }) => name).join(', ')
  const source = files.length === 0 ? 'command line' : files.join(', ')
  return { verdict: 'ok', what, found: `${source} (${names})`, cure: null }
}

function checkAuthority(settings: Settings, now: Date): Finding {
  const directory = settings.authorityDirectory
  const what = `authority ${directory}`
  if (!existsSync(join(directory, AUTHORITY_KEY_FILE))) {
    const isNeeded = settings.services.some(({ listeners }) => listeners.some(needsAuthority))
    return isNeeded
      ? {
          verdict: 'warn',
          what,
          found: 'there is none yet; the first start makes one',
          cure: 'postern ca init',
        }
      : { verdict: 'ok', what, found: 'there is none, and none is needed', cure: null }
  }
  try {
    const { certificate } = loadAuthority(directory, now)
    const end = validityFinding(what, certificate, now)
    return { ...end, found: `${end.found}, SHA-256 ${certificate.fingerprint256}` }
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return { verdict: 'fail', what, found: error.problem, cure: error.cure }
  }
}

function needsAuthority(listener: ListenerSettings): boolean {
  return listener.url.security !== 'plain' && listener.certificates.length === 0
}

async function checkListener(listener: ListenerSettings, now: Date): Promise<readonly Finding[]> {
  return [
    await checkPort(listener),
    ...listener.certificates.map(({ certFile, keyFile }) => checkFiles(certFile, keyFile, now)),
  ]
}

async function checkMetrics(metrics: Extract<MetricsSettings, { type: 'address' }>): Promise<Finding> {
  return await checkAddress('metrics', `http://${formatMetricsAddress(metrics)}`, metrics, '--metrics')
}

async function checkPort({ url }: ListenerSettings): Promise<Finding> {
  return await checkAddress('listener', formatLegUrl(url), url, '--listen')
}

async function checkAddress(
  kind: string,
  url: string,
  { host, port }: { readonly host: string; readonly port: number },
  option: string,
): Promise<Finding> {
  const what = `${kind} ${url}`
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, exclusive: true }, resolve)
    })
    await new Promise((resolve) => server.close(resolve))
    return { verdict: 'ok', what, found: 'can be listened on', cure: null }
  } catch (error) {
    const failure = new ListenError(url, error instanceof Error ? error : new Error(String(error)), option)
    const isTaken = failure.code === 'EADDRINUSE'
    const cure = isTaken ? `all is well if it is postern that runs there; else ${failure.cure}` : failure.cure
    return { verdict: 'fail', what, found: failure.message, cure }
  }
}

function checkFiles(certFile: string, keyFile: string, now: Date): Finding {
  const what = `certificate ${certFile}`
  try {
    const certificate = new X509Certificate(readFileSync(certFile))
    readFileSync(keyFile)
    return validityFinding(what, certificate, now)
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    return { verdict: 'fail', what, found, cure: 'name PEM files that this user can read' }
  }
}

function validityFinding(what: string, certificate: X509Certificate, now: Date): Finding {
  const end = new Date(certificate.validTo)
  const days = Math.floor((end.getTime() - now.getTime()) / DAY_MS)
  const until = `valid until ${day(end)}`
  if (days < 0) return { verdict: 'fail', what, found: `expired on ${day(end)}`, cure: 'renew it' }
  return days < WARN_DAYS
    ? { verdict: 'warn', what, found: `${until}, ${days} days from now`, cure: 'renew it in time' }
    : { verdict: 'ok', what, found: until, cure: null }
}

const UPSTREAM = 'upstream'

async function checkUpstream(
  service: ServiceSettings,
  now: Date,
  report: (finding: Finding) => void,
): Promise<void> {
  const { upstream, limits } = service
  const { url } = upstream
  const what = `${UPSTREAM} ${formatLegUrl(url)}`
  const ok = (found: string): void => report({ verdict: 'ok', what, found, cure: null })
  const warn = (found: string, cure: string | null): void => report({ verdict: 'warn', what, found, cure })
  let dialogue: ServerDialogue | null = null
  try {
    if (isIP(url.host) === 0) ok(`resolves to ${await resolveHost(url.host)}`)
    dialogue = await ServerDialogue.open(upstream, limits)
    ok('takes connections')
    const secured = (socket: TLSSocket): void => describeTls(socket, what, now, report)
    if (url.security === 'tls') await dialogue.secure(secured)
    const greeting = await dialogue.greeting()
    if (greeting.indicator === '-ERR') {
      throw new ServerFailure({ text: `it refuses: ${greeting.text}`, hint: 'ask whoever runs the server' })
    }
    ok(`greets: ${greeting.text}`)
    const before = await dialogue.capabilities()
    reportCapabilities(before, warn, ok)
    if (url.security === 'stls') {
      if (before !== null && !announces(before, 'STLS')) warn('does not announce STLS', null)
      const { status } = await dialogue.command('STLS', 'single-line')
      if (status.indicator === '-ERR') {
        throw new ServerFailure({
          text: `it does not take STLS: ${status.text}`,
          hint: `try pop3s://${url.host}`,
        })
      }
      await dialogue.secure(secured)
      reportCapabilities(await dialogue.capabilities(), warn, ok)
    }
    await dialogue.command('QUIT', 'single-line')
  } catch (error) {
    if (!(error instanceof ServerFailure)) throw error
    report({ verdict: 'fail', what, found: error.message, cure: error.hint })
  } finally {
    dialogue?.close()
  }
}

async function resolveHost(host: string): Promise<string> {
  try {
    const addresses = await lookup(host, { all: true })
    return addresses.map(({ address }) => address).join(', ')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new ServerFailure({
      text: `the name does not resolve (${code})`,
      hint: `check the spelling, then the resolver: getent hosts ${host}`,
    })
  }
}

function describeTls(socket: TLSSocket, what: string, now: Date, report: (finding: Finding) => void): void {
  // Not getPeerX509Certificate: after it, Node finds no certificate to verify.
  const { raw } = socket.getPeerCertificate()
  report({
    verdict: 'ok',
    what,
    found: `TLS ${socket.getProtocol()}, ${socket.getCipher().name}`,
    cure: null,
  })
  // The typings know no connection without a certificate, of which Node gives an empty object.
  if (!Buffer.isBuffer(raw)) return
  const certificate = new X509Certificate(raw)
  const names = certificate.subjectAltName ?? certificate.subject
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey
  const size = details?.modulusLength ?? details?.namedCurve ?? ''
  const validity = validityFinding(what, certificate, now)
  report({
    ...validity,
    found: `certificate for ${names.replaceAll('\n', ', ')}, ${type} ${size}, ${validity.found}, SHA-256 ${certificate.fingerprint256}`,
    // Whose certificate it is decides who can renew it.
    cure: validity.verdict === 'ok' ? null : 'its owner has to renew it',
  })
  const start = new Date(certificate.validFrom)
  if (start > now) {
    report({
      verdict: 'fail',
      what: 'clock',
      found: `it says ${day(now)}, but the server's certificate was made on ${day(start)}`,
      cure: 'set the clock, for example with timedatectl set-ntp true',
    })
  }
}

function reportCapabilities(
  capabilities: readonly Capability[] | null,
  warn: (found: string, cure: string | null) => void,
  ok: (found: string) => void,
): void {
  if (capabilities === null) warn('does not know CAPA; clients have to guess what it can do', null)
  else ok(`capabilities: ${capabilities.map(({ line }) => line).join(', ')}`)
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
