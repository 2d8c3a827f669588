import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { faultsIn, filesBelow, importsBelow, importsOf, readImportTable } from './support/import-table.js'

const SOURCES = join(import.meta.dirname, '..', 'src')
const README = join(SOURCES, 'README.md')

describe('src', () => {
  it('imports what the table in src/README.md allows, and nothing else', () => {
    expect(existsSync(README), 'src/README.md is missing: write it with the import table').toBe(true)
    const table = readImportTable(readFileSync(README, 'utf8'))
    expect(faultsIn(table, filesBelow(SOURCES), importsBelow(SOURCES))).toEqual([])
  })

  it('has the modules that the tree in src/README.md shows, and no others', () => {
    const tree = /<!-- tree -->([\s\S]*?)<!-- \/tree -->/.exec(readFileSync(README, 'utf8'))?.[1] ?? ''
    const shown: string[] = []
    let folder = ''
    for (const line of tree.split('\n')) {
      const [, name, modules = ''] = /^[├└]── (\S+) *(.*)$/.exec(line) ?? []
      if (name !== undefined) folder = name
      const words = name === undefined ? (/^│ +(.*)$/.exec(line)?.[1] ?? '') : modules
      for (const word of words.split(' ')) if (word !== '') shown.push(`${folder}/${word}.ts`)
      if (name !== undefined && modules === '') shown.push(`${name}.ts`)
    }
    const there = filesBelow(SOURCES).filter((file) => file.endsWith('.ts'))
    expect(shown.sort()).toEqual([...there].sort())
  })

  it('is found at all: the codec imports from node and from itself', () => {
    const specifiers = importsBelow(SOURCES)
      .filter(({ file }) => file.startsWith('pop3/'))
      .map(({ specifier }) => specifier)
    expect(specifiers).toContain('node:util')
    expect(specifiers).toContain('./limits.js')
  })
})

const TABLE = `
# Sources

<!-- imports -->
| folder | owns | may import |
| --- | --- | --- |
| \`pop3/\` | the codec | \`node:util\` |
| \`trace/\` | events | \`pop3\` types, \`lru-cache\` |
| \`relay/\` | the machine | \`pop3\`, \`trace\` |
| \`proxy/\` | the edge | everything above, \`pino\` |
| \`main.ts\` | the start | everything |
<!-- /imports -->

| \`other/\` | is outside the markers | everything |
`

function faults(files: Readonly<Record<string, string>>): readonly string[] {
  const whole = {
    'pop3/a.ts': '',
    'trace/a.ts': '',
    'relay/a.ts': '',
    'proxy/a.ts': '',
    'main.ts': '',
    ...files,
  }
  const imports = Object.entries(whole).flatMap(([file, source]) => importsOf(file, source))
  return faultsIn(readImportTable(TABLE), Object.keys(whole), imports)
}

describe('the import table', () => {
  it('lets pass what it allows', () => {
    expect(
      faults({
        'pop3/deep/b.ts': "import { inspect } from 'node:util'\nimport { a } from '../a.js'\n",
        'trace/b.ts': "import type { A } from '../pop3/a.js'\nimport { LRUCache } from 'lru-cache'\n",
        'trace/c.ts':
          "import { type A, type B } from '../pop3/a.js'\nexport type { C } from '../pop3/a.js'\n",
        'relay/b.ts': "import { a } from '../pop3/a.js'\n",
        'proxy/b.ts':
          "import { a } from '../relay/a.js'\nimport net from 'node:net'\nimport { z } from 'zod'\n",
        'main.ts': "import './proxy/a.js'\n",
      }),
    ).toEqual([])
  })

  it('names file and line of an import that it does not allow', () => {
    expect(
      faults({ 'pop3/b.ts': "import { a } from './a.js'\n\nimport { b } from '../relay/a.js'\n" }),
    ).toEqual(['src/pop3/b.ts:3 imports ../relay/a.js: not allowed to pop3'])
  })

  it('finds an import over several lines, for side effects, dynamic, re-exported, of a built-in without "node:"', () => {
    const sources = [
      "import {\n  a,\n  b,\n} from '../relay/a.js'\n",
      "import '../relay/a.js'\n",
      "const a = await import('../relay/a.js')\n",
      "export { a } from '../relay/a.js'\n",
      "export * from '../relay/a.js'\n",
      'import * as a from "../relay/a.js"\n',
      "import fs from 'fs'\n",
      "import { a } from 'node:net'\n",
      "import pino from 'pino/file'\n",
    ]
    for (const source of sources) {
      const found = faults({ 'pop3/b.ts': source })
      expect(found, source).toHaveLength(1)
      expect(found[0]).toMatch(/^src\/pop3\/b\.ts:1 imports /)
    }
  })

  it('tells types from values', () => {
    expect(faults({ 'trace/b.ts': "import { a } from '../pop3/a.js'\n" })).toEqual([
      'src/trace/b.ts:1 imports ../pop3/a.js: not allowed to trace',
    ])
    expect(faults({ 'trace/b.ts': "import { type A, b } from '../pop3/a.js'\n" })).toHaveLength(1)
    expect(faults({ 'trace/b.ts': "import type { A } from '../relay/a.js'\n" })).toEqual([
      'src/trace/b.ts:1 imports ../relay/a.js (types): not allowed to trace',
    ])
  })

  it('means by "everything above" the rows above and any package', () => {
    expect(faults({ 'proxy/b.ts': "import '../main.js'\n" })).toEqual([
      'src/proxy/b.ts:1 imports ../main.js: not allowed to proxy',
    ])
  })

  it('takes no comment for an import', () => {
    const source =
      "// import { a } from '../relay/a.js'\n/*\nimport { a } from '../relay/a.js'\n*/\nimport './a.js'\n"
    expect(importsOf('pop3/b.ts', source)).toEqual([
      { file: 'pop3/b.ts', line: 5, specifier: './a.js', isTypeOnly: false },
    ])
  })

  it('names a folder that it lacks, and one that src lacks', () => {
    expect(faults({ 'judge/a.ts': "import '../pop3/a.js'\n" })).toEqual(['src/judge is not in the table'])
    const table = readImportTable(TABLE.replace('`main.ts`', '`mail/`'))
    expect(faultsIn(table, ['pop3/a.ts', 'trace/a.ts', 'relay/a.ts', 'proxy/a.ts'], [])).toEqual([
      'src/mail is in the table and not in src',
    ])
  })

  it('allows no circle of folders', () => {
    const table = readImportTable(TABLE.replace('`node:util`', '`relay`'))
    const files = ['pop3/a.ts', 'trace/a.ts', 'relay/a.ts', 'proxy/a.ts', 'main.ts']
    expect(faultsIn(table, files, [])).toEqual([
      'src/pop3 may import itself by way of others: the table has a circle',
      'src/relay may import itself by way of others: the table has a circle',
    ])
  })

  it('says what is missing where there is no table', () => {
    expect(() => readImportTable('# Sources\n')).toThrow('there is no table between <!-- imports --> and')
    expect(() => readImportTable('<!-- imports -->\n<!-- /imports -->')).toThrow('has no rows')
  })
})
