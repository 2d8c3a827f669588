import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_RULES } from '../../src/config/defaults.js'
import { Breakpoints } from '../../src/proxy/breakpoints.js'
import { History } from '../../src/proxy/history.js'
import { RulesInForce } from '../../src/proxy/rules-in-force.js'
import { WatchedProxy } from '../../src/proxy/watched.js'
import { NO_RULES } from '../../src/rules/rule-set.js'
import { Feed } from '../../src/trace/feed.js'
import { RuleHitCounter } from '../../src/trace/rule-hits.js'
import { MAXIMUM_REFUSAL_LINES } from '../../src/watch/coding.js'
import { LogRing } from '../../src/watch/log-ring.js'
import { HIT } from '../sessions/script.js'
import { type TemporaryDirectory, temporaryDirectory } from '../support/tools.js'

const SILENT = pino({ level: 'silent' })
const GOOD = 'rules:\n  - name: large mail\n    when: size > 5 * MB\n    then: [hide]\n    mode: shadow\n'

let directory: TemporaryDirectory
let rules: RulesInForce | null

beforeEach(() => {
  directory = temporaryDirectory('watched-rules')
  rules = null
})

afterEach(async () => {
  await rules?.close()
  directory.remove()
})

/** What watchers see of some rules; nothing else of a proxy is there to be asked. */
function watched(of: Pick<RulesInForce, 'ruleSet' | 'refusal' | 'hits'> | null): WatchedProxy {
  return new WatchedProxy({
    program: 'postern test',
    startedAt: 0,
    proxy: { addresses: [], sessions: 0, send: async () => null, kill: () => null },
    settings: () => {
      throw new Error('nobody asks for settings here')
    },
    feed: new Feed(),
    log: new LogRing(),
    history: new History(),
    breakpoints: new Breakpoints(() => 0),
    rules: of,
    endProxy: () => {},
  })
}

async function opened(text: string): Promise<{ rules: RulesInForce; file: string; changes: () => number }> {
  const file = join(directory.path, 'a.yaml')
  writeFileSync(file, text)
  const places = {
    workingDirectory: directory.path,
    quarantineDirectory: join(directory.path, 'quarantine'),
    spoolDirectory: join(directory.path, 'spool'),
  }
  const made = await RulesInForce.open({ ...DEFAULT_RULES, paths: [file] }, places, SILENT)
  rules = made
  let changes = 0
  made.onChange = () => {
    changes += 1
  }
  return { rules: made, file, changes: () => changes }
}

describe('the rules as watchers see them', () => {
  it('are none where no rules are read', () => {
    const nobody = watched(null)
    expect(nobody.rules).toEqual({ rules: [], refusal: null })
    expect(nobody.ruleHits.counts).toEqual([])
  })

  it('tell name, place, condition, actions and cost', async () => {
    const { rules: made } = await opened(GOOD)
    const [rule] = watched(made).rules.rules
    expect(rule).toMatchObject({
      name: 'large mail',
      place: 'a.yaml:2',
      of: 'message',
      mode: 'shadow',
      when: 'size > 5 * MB',
      actions: ['hide'],
      onFailure: 'deliver',
      stops: false,
    })
    expect(rule?.cost).not.toBe('')
  })

  it('say why changed files are refused, until they are good again', async () => {
    const { rules: made, file, changes } = await opened(GOOD)
    const seen = watched(made)
    writeFileSync(file, GOOD.replace('[hide]', '[hid]'))
    await expect(made.reload()).rejects.toThrow('a.yaml:4')
    expect(seen.rules.refusal?.lines.join('\n')).toContain('a.yaml:4')
    expect(seen.rules.refusal?.at).toBeLessThanOrEqual(Date.now())
    expect(seen.rules.rules).toHaveLength(1)
    expect(changes()).toBe(1)
    // As it was: nothing new is in force, and nothing is refused any more.
    writeFileSync(file, GOOD)
    await made.reload()
    expect(seen.rules.refusal).toBeNull()
    expect(changes()).toBe(2)
    writeFileSync(file, `${GOOD}  - {name: second, when: size > GB, then: [log]}\n`)
    await made.reload()
    expect(seen.rules.rules).toHaveLength(2)
    expect(changes()).toBe(3)
  })

  it('keep their hits over a reload', async () => {
    const { rules: made, file } = await opened(GOOD)
    made.hits.add({ at: 1, session: 's1', content: { ...HIT, rule: 'large mail' } })
    writeFileSync(file, `${GOOD}  - {name: second, when: size > GB, then: [log]}\n`)
    await made.reload()
    expect(watched(made).ruleHits.counts).toMatchObject([{ rule: 'large mail', hits: 1 }])
  })

  it('tell harmless and bounded text, whatever a rule file holds', async () => {
    const text = `\u202e${'y'.repeat(900)}`
    const condition = `subject == "\u202e${'x'.repeat(4_000)}"`
    const { rules: made } = await opened(
      `rules:\n  - name: "\u202elarge"\n    when: '${condition}'\n    then: [{mark: "${text}"}]\n`,
    )
    const [rule] = watched(made).rules.rules
    expect(rule?.when.length).toBeLessThan(2_100)
    expect(rule?.actions.join().length).toBeLessThan(300)
    expect(JSON.stringify(rule)).not.toMatch(/[\x00-\x1f\u202e]/)
  })

  it.each([MAXIMUM_REFUSAL_LINES, MAXIMUM_REFUSAL_LINES + 1])(
    'tell of %i lines no more than a screen can use',
    (count) => {
      const text = Array.from({ length: count }, (_, index) => `line ${index}\x1b[2J`).join('\n')
      const seen = watched({ ...emptyRules(), refusal: { at: 1, text } })
      const { lines = [] } = seen.rules.refusal ?? {}
      expect(lines).toHaveLength(MAXIMUM_REFUSAL_LINES)
      expect(lines.at(-1)).toBe(
        count > MAXIMUM_REFUSAL_LINES ? 'and 2 more lines: see the log' : 'line 99\\x1b[2J',
      )
    },
  )

  it('are those of a text where there is no file', async () => {
    const places = {
      workingDirectory: directory.path,
      quarantineDirectory: directory.path,
      spoolDirectory: directory.path,
    }
    rules = await RulesInForce.ofTexts([{ file: 'sample.yaml', text: GOOD }], DEFAULT_RULES, places, SILENT)
    expect(watched(rules).rules.rules).toMatchObject([{ name: 'large mail', place: 'sample.yaml:2' }])
    await expect(
      RulesInForce.ofTexts([{ file: 'sample.yaml', text: 'rules: 7' }], DEFAULT_RULES, places, SILENT),
    ).rejects.toThrow('sample.yaml')
  })
})

function emptyRules(): Pick<RulesInForce, 'ruleSet' | 'hits'> {
  return { ruleSet: NO_RULES, hits: new RuleHitCounter() }
}
