import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findSocket } from '../../src/cli/attach.js'
import {
  ControlError,
  type ControlPlace,
  currentPlace,
  liveSockets,
  prepareControl,
  usualDirectories,
} from '../../src/cli/control-socket.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

let directory: TemporaryDirectory
let place: ControlPlace
let servers: Server[]

beforeEach(() => {
  directory = temporaryDirectory('control')
  mkdirSync(join(directory.path, 'tmp'), { mode: 0o777 })
  mkdirSync(join(directory.path, 'run'), { mode: 0o700 })
  const environment = { XDG_RUNTIME_DIR: join(directory.path, 'run') }
  place = { ...currentPlace(), environment, temporaryDirectory: join(directory.path, 'tmp') }
  servers = []
})

afterEach(() => {
  for (const server of servers) server.close()
  directory.remove()
})

async function listen(path: string): Promise<void> {
  const server = createServer((socket) => socket.destroy())
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
}

/** A socket that nobody serves any more, as SIGKILL leaves it. */
async function leaveBehind(path: string): Promise<void> {
  const program = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', program, path]), 'exit')
  expect(lstatSync(path).isSocket()).toBe(true)
}

const OWN = `${process.pid}.sock`

describe('the usual place of a control socket', () => {
  it('is a directory in XDG_RUNTIME_DIR that its owner alone may enter', async () => {
    const before = process.umask(0)
    try {
      expect(await prepareControl({ type: 'usual' }, place)).toBe(join(directory.path, 'run/postern', OWN))
    } finally {
      process.umask(before)
    }
    expect(lstatSync(join(directory.path, 'run/postern')).mode & 0o777).toBe(0o700)
  })

  it.each([
    ['is not set', {}],
    ['is relative', { XDG_RUNTIME_DIR: 'run' }],
    ['does not exist', { XDG_RUNTIME_DIR: '/nonexistent/run' }],
  ])('is one of the user in the temporary directory where that %s', async (_, environment) => {
    const path = await prepareControl({ type: 'usual' }, { ...place, environment })
    expect(path).toBe(join(directory.path, 'tmp', `postern-${place.userId}`, OWN))
  })

  it.each([
    ['can be entered by others', (path: string) => mkdirSync(path), 'can be entered by others (mode 0755)'],
    ['is a file', (path: string) => writeFileSync(path, ''), 'is no directory'],
    ['is a link to elsewhere', (path: string) => symlinkSync('/tmp', path), 'is no directory'],
  ])('is refused where it %s', async (_, make, problem) => {
    for (const candidate of usualDirectories(place)) {
      make(candidate)
      if (lstatSync(candidate).isDirectory()) chmodSync(candidate, 0o755)
    }
    const preparing = prepareControl({ type: 'usual' }, place)
    await expect(preparing).rejects.toThrow(ControlError)
    await expect(preparing).rejects.toThrow(problem)
    await expect(preparing).rejects.toThrow('Name another place with --control')
  })

  it('is refused where another user made it first', async () => {
    for (const candidate of usualDirectories(place)) mkdirSync(candidate, { mode: 0o700 })
    const other = { ...place, userId: place.userId + 1 }
    mkdirSync(join(directory.path, 'tmp', `postern-${other.userId}`), { mode: 0o700 })
    await expect(prepareControl({ type: 'usual' }, other)).rejects.toThrow(/belongs to another user/)
    expect(await liveSockets(other)).toEqual([])
  })

  it('is cleared of what dead proxies left behind, and of nothing else', async () => {
    const [usual = ''] = usualDirectories(place)
    mkdirSync(usual, { mode: 0o700 })
    await leaveBehind(join(usual, '999999999.sock'))
    await leaveBehind(join(usual, `${process.ppid}.sock`))
    await listen(join(usual, '1.sock'))
    writeFileSync(join(usual, 'notes.txt'), '')
    await prepareControl({ type: 'usual' }, place)
    expect(existsSync(join(usual, '999999999.sock'))).toBe(false)
    expect(existsSync(join(usual, `${process.ppid}.sock`))).toBe(false)
    expect(existsSync(join(usual, '1.sock'))).toBe(true)
    expect(existsSync(join(usual, 'notes.txt'))).toBe(true)
  })
})

describe('a control socket that is named', () => {
  it('is taken as it is, in a directory that is made for it', async () => {
    const path = join(directory.path, 'own/control')
    expect(await prepareControl({ type: 'path', path }, place)).toBe(path)
    expect(lstatSync(join(directory.path, 'own')).mode & 0o777).toBe(0o700)
  })

  it('replaces one that was left behind', async () => {
    const path = join(directory.path, 'control')
    await leaveBehind(path)
    expect(await prepareControl({ type: 'path', path }, place)).toBe(path)
    expect(existsSync(path)).toBe(false)
  })

  it('is refused where another postern is, where something else is, and where it is too long', async () => {
    const path = join(directory.path, 'control')
    await listen(path)
    await expect(prepareControl({ type: 'path', path }, place)).rejects.toThrow('another postern is watched')
    const file = join(directory.path, 'file')
    writeFileSync(file, 'precious')
    await expect(prepareControl({ type: 'path', path: file }, place)).rejects.toThrow('is no socket')
    const long = join(directory.path, 'x'.repeat(108))
    await expect(prepareControl({ type: 'path', path: long }, place)).rejects.toThrow('107 octets at most')
  })

  it('may be none', async () => {
    expect(await prepareControl({ type: 'none' }, place)).toBeNull()
    expect(existsSync(join(directory.path, 'run/postern'))).toBe(false)
  })
})

describe('postern attach without a socket', () => {
  it('finds the only one that lives', async () => {
    const [usual = ''] = usualDirectories(place)
    mkdirSync(usual, { mode: 0o700 })
    await leaveBehind(join(usual, '7.sock'))
    await listen(join(usual, '8.sock'))
    expect(await findSocket(place)).toBe(join(usual, '8.sock'))
  })

  it('names several, and asks for a choice', async () => {
    const [first = '', second = ''] = usualDirectories(place)
    for (const each of [first, second]) {
      mkdirSync(each, { mode: 0o700 })
      await listen(join(each, '8.sock'))
    }
    await expect(findSocket(place)).rejects.toThrow(
      /^several are running.*\n {2}postern attach .*8\.sock\n {2}postern attach .*8\.sock$/,
    )
  })

  it('says what to do where there is none', async () => {
    await expect(findSocket(place)).rejects.toThrow(/^no running postern is found: start one/)
  })
})
