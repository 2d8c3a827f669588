import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MOST_RULE_FILES, RuleFileError, RuleFileWatch, readRuleFiles } from '../../src/proxy/rule-files.js'
import { FILE_CHARACTERS } from '../../src/rules/limits.js'
import { type TemporaryDirectory, temporaryDirectory, until } from '../support/tools.js'

let directory: TemporaryDirectory
const at = (...names: readonly string[]): string => join(directory.path, ...names)

beforeEach(() => {
  directory = temporaryDirectory('rule-files')
})
afterEach(() => directory.remove())

describe('rule files', () => {
  test('of a directory come in order of name, and nothing but YAML does', () => {
    mkdirSync(at('rules', 'below.yaml'), { recursive: true })
    rmSync(at('rules', 'below.yaml'), { recursive: true })
    for (const name of ['b.yaml', 'a.yml', 'README.md', '.hidden.yaml', 'a.yaml~', 'C.YAML'])
      writeFileSync(at('rules', name), name)
    writeFileSync(at('other.txt'), 'named outright')
    expect(readRuleFiles([at('rules'), at('other.txt')], directory.path)).toEqual([
      { file: 'rules/C.YAML', text: 'C.YAML' },
      { file: 'rules/a.yml', text: 'a.yml' },
      { file: 'rules/b.yaml', text: 'b.yaml' },
      { file: 'other.txt', text: 'named outright' },
    ])
  })

  test('are named in full where they lie elsewhere', () => {
    writeFileSync(at('a.yaml'), '')
    expect(readRuleFiles([at('a.yaml')], '/elsewhere')[0]?.file).toBe(at('a.yaml'))
  })

  test('that are not there, or are something else, are refused with what was found', () => {
    mkdirSync(at('rules', 'sub.yaml'), { recursive: true })
    const refused = (path: string, text: string): void => {
      expect(() => readRuleFiles([at(path)], directory.path)).toThrow(new RuleFileError(text))
    }
    refused('missing', 'missing: found nothing of that name, expected a rule file, or a directory of *.yaml')
    refused('rules', 'rules/sub.yaml: found something else than a file, expected a rule file')
  })

  test('have bounds: as many octets, and as many files', () => {
    writeFileSync(at('a.yaml'), 'x'.repeat(FILE_CHARACTERS * 3))
    expect(readRuleFiles([at('a.yaml')], directory.path)).toHaveLength(1)
    writeFileSync(at('a.yaml'), 'x'.repeat(FILE_CHARACTERS * 3 + 1))
    expect(() => readRuleFiles([at('a.yaml')], directory.path)).toThrow(
      /found 3145729 octets, expected at most 3145728/,
    )
    mkdirSync(at('many'))
    for (let number = 0; number < MOST_RULE_FILES; number += 1)
      writeFileSync(at('many', `${number}.yaml`), '')
    expect(readRuleFiles([at('many')], directory.path)).toHaveLength(MOST_RULE_FILES)
    writeFileSync(at('many', 'one-more.yaml'), '')
    expect(() => readRuleFiles([at('many')], directory.path)).toThrow(
      /found 501 rule files, expected at most 500/,
    )
  })
})

describe('the look-out for changes', () => {
  test('sees files written, renamed into place and removed, and nothing else', async () => {
    writeFileSync(at('a.yaml'), '1')
    let changes = 0
    const watch = new RuleFileWatch(
      [directory.path],
      () => (changes += 1),
      () => {},
    )
    try {
      for (const change of [
        () => writeFileSync(at('a.yaml'), '2'),
        () => {
          writeFileSync(at('a.yaml.tmp'), '3')
          renameSync(at('a.yaml.tmp'), at('a.yaml'))
        },
        () => rmSync(at('a.yaml')),
      ]) {
        const before = changes
        change()
        await until('the change to be seen', () => changes > before)
      }
    } finally {
      watch.close()
    }
  })

  test('of one file survives its being replaced', async () => {
    writeFileSync(at('a.yaml'), '1')
    let changes = 0
    const watch = new RuleFileWatch(
      [at('a.yaml')],
      () => (changes += 1),
      () => {},
    )
    try {
      for (let round = 1; round <= 2; round += 1) {
        writeFileSync(at('new'), String(round))
        renameSync(at('new'), at('a.yaml'))
        await until('the change to be seen', () => changes >= round)
      }
    } finally {
      watch.close()
    }
  })

  test('says where it sees nothing', () => {
    const blind: string[] = []
    new RuleFileWatch(
      [at('missing')],
      () => {},
      (path, reason) => blind.push(`${path}: ${reason}`),
    ).close()
    expect(blind).toEqual([`${at('missing')}: nothing of that name`])
  })
})
