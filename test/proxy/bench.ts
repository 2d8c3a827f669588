/**
 * What the tests of the proxy share: settings made short, a log that is kept as values, and the octets that a
 * maildrop server received. Owns the certificates and temporary files of a test file; decides nothing.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { DEFAULT_LISTENER, DEFAULT_RULES, DEFAULT_UPSTREAM } from '../../src/config/defaults.js'
import type { LegSecurity, ListenerSettings, ServiceSettings, Settings } from '../../src/config/settings.js'
import { DEFAULT_LIMITS, type Limits } from '../../src/pop3/limits.js'
import { type ProxyOptions, type Proxy as RunningProxy, startProxy } from '../../src/proxy/proxy.js'
import { Feed } from '../../src/trace/feed.js'
import { testAuthority } from '../support/certificates.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

export const USER = 'bob'
export const PASSWORD = 'kanarienvogel-9f3b'

/** Any fields of one line of the log. */
export type LogLine = Readonly<Record<string, unknown>>

/** A pino logger whose lines are kept. */
export interface KeptLog {
  readonly log: Logger
  readonly lines: LogLine[]
  /** The lines of an event. */
  of(event: string): readonly LogLine[]
  /** All lines as they were written. */
  text(): string
}

/** Keeps every line, down to level trace. */
export function keptLog(): KeptLog {
  const lines: LogLine[] = []
  const texts: string[] = []
  const log = pino(
    { level: 'trace', base: null, timestamp: false },
    {
      write: (text: string) => {
        texts.push(text)
        lines.push(JSON.parse(text))
      },
    },
  )
  return {
    log,
    lines,
    of: (event) => lines.filter((line) => line.event === event),
    text: () => texts.join(''),
  }
}

/** Certificates and files of one test file. */
export interface Bench {
  readonly directory: TemporaryDirectory
  /** PEM of the authority that issued all certificates here. */
  readonly ca: string
  /** What a server shows. */
  readonly serverTls: { readonly cert: string; readonly key: string }
  /** What a listener shows; from the same authority. */
  readonly certificates: ListenerSettings['certificates']
  /** Writes a PEM pair for a listener. */
  writeCertificate(
    name: string,
    issued: { readonly chain: string; readonly key: string },
  ): {
    readonly certFile: string
    readonly keyFile: string
  }
  /** Settings of one service before a server on 127.0.0.1. */
  settings(options: ServiceOptions): Settings
}

export interface ServiceOptions {
  /** Security of each listener; ports are the system's choice. */
  readonly listen: readonly LegSecurity[] | readonly ListenerSettings[]
  readonly upstream: LegSecurity
  readonly port: number
  readonly limits?: Partial<Limits>
}

/** Makes certificates; the caller removes the directory. */
export function makeBench(): Bench {
  const directory = temporaryDirectory('proxy')
  const authority = testAuthority()
  const caFile = join(directory.path, 'ca.pem')
  writeFileSync(caFile, authority.cert)
  const writeCertificate: Bench['writeCertificate'] = (name, issued) => {
    const certFile = join(directory.path, `${name}.pem`)
    const keyFile = join(directory.path, `${name}-key.pem`)
    writeFileSync(certFile, issued.chain)
    writeFileSync(keyFile, issued.key, { mode: 0o600 })
    return { certFile, keyFile }
  }
  const server = authority.issue({ names: ['127.0.0.1'] })
  const certificates = [writeCertificate('listener', authority.issue({ names: ['localhost', '127.0.0.1'] }))]
  return {
    directory,
    ca: authority.cert,
    serverTls: { cert: server.chain, key: server.key },
    certificates,
    writeCertificate,
    settings: ({ listen, upstream, port, limits }) => {
      const service: ServiceSettings = {
        name: 'default',
        listeners: listen.map((listener) =>
          typeof listener === 'string' ? listenerOf(listener, certificates) : listener,
        ),
        upstream: { ...DEFAULT_UPSTREAM, url: { security: upstream, host: '127.0.0.1', port }, caFile },
        limits: { ...DEFAULT_LIMITS, ...limits },
        multiLineVerbs: [],
      }
      return settingsOf([service], directory.path)
    },
  }
}

/** A listener on 127.0.0.1. */
export function listenerOf(
  security: LegSecurity,
  certificates: ListenerSettings['certificates'],
  port = 0,
): ListenerSettings {
  return { ...DEFAULT_LISTENER, url: { security, host: '127.0.0.1', port }, certificates }
}

export function settingsOf(services: readonly ServiceSettings[], directory: string): Settings {
  return {
    log: { level: 'trace', userNames: true },
    authorityDirectory: join(directory, 'authority'),
    write: null,
    control: { type: 'none' },
    metrics: { type: 'none' },
    rules: DEFAULT_RULES,
    services,
  }
}

/** A proxy with its log. */
export interface RunningBench {
  readonly proxy: RunningProxy
  readonly kept: KeptLog
  /** Port of the listener with this index. */
  port(index?: number): number
}

/** Starts a proxy that keeps its log. */
export async function startBench(
  settings: Settings,
  options: Partial<ProxyOptions> = {},
): Promise<RunningBench> {
  const kept = keptLog()
  const proxy = await startProxy(settings, kept.log, {
    authority: null,
    feed: new Feed(),
    onKeyLog: null,
    ...options,
  })
  return { proxy, kept, port: (index = 0) => proxy.addresses[index]?.port ?? 0 }
}

/** File descriptors of this process. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}
