import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createJudges } from '../../src/judge/judges.js'
import type { JudgeHow } from '../../src/rules/judge-settings.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'
import { ABOUT, askFor, askOnce, MESSAGE, nothingLeft, resources, settings } from './stand-ins.js'

let directory: TemporaryDirectory
let before: readonly string[]

beforeEach(() => {
  directory = temporaryDirectory('judge')
  before = resources()
})

afterEach(async () => {
  await nothingLeft(before)
  directory.remove()
})

/** A program with this text as a shell script; its process id is in the file `pid` below the directory. */
function script(text: string, ...args: readonly string[]): JudgeHow {
  const program = join(directory.path, 'judge.sh')
  writeFileSync(program, `#!/bin/sh\necho $$ >"${directory.path}/pid"\n${text}\n`)
  chmodSync(program, 0o755)
  return { type: 'command', program, arguments: args, writes: 'finding' }
}

/** Whether a process of a file below the directory still runs; one that nobody has waited for yet does not. */
function isRunning(file: string): boolean {
  try {
    const pid = readFileSync(join(directory.path, file), 'utf8').trim()
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function subject(): string {
  return `command ${directory.path}/judge.sh`
}

describe('command', () => {
  it('gets the message, its arguments, and the session in an environment without anything else', async () => {
    const how = script(
      `cat >"${directory.path}/message"; printf '%s\\n' "$@" >"${directory.path}/arguments"; tr '\\0' '\\n' </proc/self/environ >"${directory.path}/environment"`,
      '$(id)',
      'two words',
    )
    const message = Buffer.concat([MESSAGE, Buffer.alloc(3_000_000, '\0\r\n\xff', 'latin1')])
    await askOnce(how, { message, about: { ...ABOUT, user: 'an\nna' } })
    expect(readFileSync(join(directory.path, 'message')).equals(message)).toBe(true)
    expect(readFileSync(join(directory.path, 'arguments'), 'utf8')).toBe('$(id)\ntwo words\n')
    const names = readFileSync(join(directory.path, 'environment'), 'utf8').trim().split('\n').sort()
    // The shell adds the directory that it is in.
    expect(names.filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line))).toEqual([
      `PATH=${process.env.PATH}`,
      'POSTERN_CLIENT=192.0.2.7',
      'POSTERN_SERVICE=pop3',
      'POSTERN_SESSION=c41f-7',
      'POSTERN_USER=an\\x0ana',
    ])
  })

  it.each([
    ['exit 0', { verdict: 'clean', score: null, finding: '' }],
    ['echo fine; exit 0', { verdict: 'clean', score: null, finding: 'fine' }],
    [
      "printf '\\n\\033[31mbad one\\r\\nsecond\\n'; exit 1",
      { verdict: 'bad', score: null, finding: '\\x1b[31mbad one' },
    ],
    [
      "head -c 600 /dev/zero | tr '\\0' x; exit 1",
      { verdict: 'bad', score: null, finding: `${'x'.repeat(512)}… (+88)` },
    ],
  ])('says %j as an answer', async (text, expected) => {
    expect(await askOnce(script(text))).toEqual(expected)
  })

  describe('that writes messages', () => {
    const writing = (text: string): JudgeHow => {
      const how = script(text)
      return how.type === 'command' ? { ...how, writes: 'message' } : how
    }

    it('gives what it wrote, with the line ends of mail, and finds what it says on stderr', async () => {
      const answer = await askOnce(
        writing("echo changed it >&2; sed 's/^Subject:/Subject: [x]/'; printf 'a\\rb'; exit 1"),
      )
      const expected = MESSAGE.toString('latin1').replace(/^Subject:/m, 'Subject: [x]')
      expect(answer).toMatchObject({ verdict: 'bad', finding: 'changed it' })
      expect('output' in answer && answer.output?.toString('latin1')).toBe(
        `${expected.replace(/\r?\n/g, '\r\n')}a\r\nb`,
      )
    })

    it('leaves the message as it is where it writes nothing', async () => {
      expect(await askOnce(writing('cat >/dev/null'))).toEqual({
        verdict: 'clean',
        score: null,
        finding: '',
        output: null,
      })
    })

    it('may write as much more than it was given as any other, and no octet beyond', async () => {
      const options = { limits: { outputOctets: 1_000 } }
      const most = MESSAGE.length + 1_000
      const full = await askOnce(writing(`cat >/dev/null; head -c ${most} /dev/zero | tr '\\0' x`), {
        options,
      })
      expect('output' in full && full.output?.length).toBe(most)
      expect(await askOnce(writing(`cat >/dev/null; head -c ${most + 1} /dev/zero`), { options })).toEqual({
        failed: `${subject()} wrote more than ${most} octets and was killed`,
      })
    })
  })

  it.each([
    ['exit 2', 'ended with status 2'],
    [
      "printf 'no\\033[2J database\\nmore\\n' >&2; echo out; exit 77",
      'ended with status 77: no\\x1b[2J database',
    ],
    ['kill -SEGV $$', 'was ended by SIGSEGV'],
    ['echo why >&2; kill -9 $$', 'was ended by SIGKILL: why'],
  ])('says %j as a failure', async (text, expected) => {
    expect(await askOnce(script(text))).toEqual({ failed: `${subject()} ${expected}` })
  })

  it('may decide without reading a large message', async () => {
    const message = Buffer.alloc(20_000_000)
    expect(await askOnce(script('exec 0<&-; echo seen enough; exit 1'), { message })).toMatchObject({
      verdict: 'bad',
      finding: 'seen enough',
    })
  })

  it('may write much before it reads', async () => {
    const text = "head -c 500000 /dev/zero | tr '\\0' x; head -c 500000 /dev/zero >&2; cat >/dev/null; exit 1"
    const message = Buffer.alloc(5_000_000)
    expect(await askOnce(script(text), { message })).toMatchObject({ verdict: 'bad' })
  })

  it('may write as much as is allowed, and is killed for more', async () => {
    const options = { limits: { outputOctets: 100_000 } }
    const text = (octets: number) => `head -c ${octets} /dev/zero; exit 1`
    expect(await askOnce(script(text(100_000)), { options })).toMatchObject({ verdict: 'bad' })
    for (const endless of [text(100_001), 'yes', 'yes >&2'])
      expect(await askOnce(script(endless), { options })).toEqual({
        failed: `${subject()} wrote more than 100000 octets and was killed`,
      })
    expect(isRunning('pid')).toBe(false)
  })

  it('is killed with all that it started once its time is over', async () => {
    const how = script(
      `trap '' TERM HUP INT; sleep 600 & echo $! >"${directory.path}/child"; kill -STOP $$; wait`,
    )
    expect(await askOnce(how, { changed: { budgetMs: 3_000 } })).toEqual({
      failed: `${subject()} gave no answer within 3 s`,
    })
    expect(readFileSync(join(directory.path, 'child'), 'utf8')).toMatch(/^\d+\n$/)
    await until('the processes to be gone', () => !isRunning('pid') && !isRunning('child'))
  })

  it('leaves nothing of its group behind when it ends', async () => {
    const how = script(`sleep 600 & echo $! >"${directory.path}/child"; echo ready; exit 1`)
    expect(await askOnce(how)).toEqual({ verdict: 'bad', score: null, finding: 'ready' })
    await until('its child to be gone', () => !isRunning('child'))
  })

  it('answers although somebody outside of its group holds its output open', async () => {
    const how = script(`setsid sleep 600 & echo $! >"${directory.path}/child"; sleep 0.3; echo ready; exit 1`)
    const answer = await askOnce(how, { options: { limits: { outputMs: 50 } } })
    expect(answer).toMatchObject({ verdict: 'bad', finding: 'ready' })
    process.kill(Number(readFileSync(join(directory.path, 'child'), 'utf8')), 'SIGKILL')
  })

  it('is killed when the judges are closed', async () => {
    const judges = createJudges([settings(script('sleep 600'))])
    const asked = askFor('j', judges)
    await until('the program to run', () => isRunning('pid'))
    judges.close()
    expect(await asked).toEqual({
      failed: `${subject()} was not waited for: its rules are no longer in use`,
    })
    await until('the program to be gone', () => !isRunning('pid'))
  })

  it('fails where it does not exist, may not be executed or cannot be started', async () => {
    const how = (program: string, ...args: readonly string[]): JudgeHow => ({
      type: 'command',
      writes: 'finding',
      program,
      arguments: args,
    })
    const none = join(directory.path, 'none')
    expect(await askOnce(how(none))).toEqual({ failed: `command ${none} does not exist` })
    const plain = join(directory.path, 'plain')
    writeFileSync(plain, '')
    expect(await askOnce(how(plain))).toEqual({ failed: `command ${plain} may not be executed` })
    expect(await askOnce(how('/bin/true', 'a\0b'))).toMatchObject({
      failed: expect.stringMatching(/^command \/bin\/true cannot be started: ".+"$/),
    })
  })
})
