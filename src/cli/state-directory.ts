/**
 * Where postern keeps what outlives it, where nobody names a folder. Owns the search; makes nothing.
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/**
 * The folder that the service manager keeps for us, else that of the user.
 *
 * @returns an absolute path, which need not exist
 */
export function stateDirectory(): string {
  const { STATE_DIRECTORY, XDG_STATE_HOME } = process.env
  // systemd lists several folders with colons between; the first is ours.
  const managed = STATE_DIRECTORY?.split(':')[0]
  if (managed !== undefined && managed !== '') return resolve(managed)
  // The XDG specification says that a relative path there counts as none.
  const isUsable = XDG_STATE_HOME?.startsWith('/') === true
  return join(
    isUsable && XDG_STATE_HOME !== undefined ? XDG_STATE_HOME : join(homedir(), '.local', 'state'),
    'postern',
  )
}

/** The folder for messages larger than memory is given, where nobody names one. Not that of the system's temporary files, which often is memory. */
export function defaultSpoolDirectory(): string {
  return join(stateDirectory(), 'spool')
}

/** The folder of the quarantine where nobody names one, beside everything else that postern keeps. */
export function defaultQuarantineDirectory(): string {
  return join(stateDirectory(), 'quarantine')
}
