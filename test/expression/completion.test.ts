import { expect, test } from 'vitest'
import { completions } from '../../src/expression/completion.js'

test.each([
  ['us', ['user']],
  ['errors > 0 && is_', ['is_open', 'is_held']],
  ['IS_', ['is_open', 'is_held']],
  ['size > 2 * M', ['mechanism', 'messages', 'MB', 'MiB']],
  ['user.en', ['endsWith']],
  ['user.l', ['lowerAscii']],
  ['attachments.ex', ['exists', 'exists_one']],
  ['attachments.sta', []],
  ['attachments.exists(a, a.', ['name', 'other_name', 'type', 'size', 'files', 'is_unlisted']],
  ['attachments.exists(a, a.files.', ['size', 'exists', 'exists_one', 'all']],
  ['attachments.exists(a, a.is', ['is_unlisted']],
  ['"x".con', ['contains']],
  ['user == "us', []],
  ["user == 'us", []],
  ['user == "\\"us', []],
  ['user == "x" && us', ['user']],
  ['errors.', []],
  ['user', []],
  ['zzz', []],
])('behind %s stand %s', (text, expected) => {
  expect(completions(text, text.length)).toEqual(expected)
})

test('looks at what stands before the cursor alone', () => {
  expect(completions('us == "x"', 2)).toEqual(['user'])
  expect(completions('', 0)).toContain('inNetwork')
})
