import { describe, expect, test } from 'vitest'
import { FilterError, parseCondition, parseFilter } from '../../src/expression/filter.js'

describe('a filter about what judges said', () => {
  test.each([
    ['verdict.clamd == "infected"', true],
    ['verdict["clamd"] == "clean"', false],
    ['score.rspamd > 5 && score["rspamd"] <= 15.5', true],
    ['score.clamd > 5', false],
    ['!(score.clamd > 5)', false],
    ['"rspamd" in score', true],
    ['"spamd" in verdict', false],
    ['finding.clamd.contains("Eicar")', true],
    ['raw_header["Subject"].startsWith("=?utf-8?")', true],
    ['body.contains("invoice")', true],
  ])('asks what judges said: %s is %s', (text, expected) => {
    const fields = {
      verdict: new Map([['clamd', 'infected']]),
      score: new Map([['rspamd', 15.5]]),
      finding: new Map([['clamd', 'Eicar-Test']]),
      raw_header: new Map([['subject', '=?utf-8?q?x?=']]),
      body: 'an invoice',
    }
    const filter = parseFilter(text)
    expect(filter.matches(fields, () => '')).toBe(expected)
    expect(filter.matches({}, () => '')).toBe(false)
  })

  test('tells which judges it asks', () => {
    const filter = parseFilter('verdict.clamd == "x" || score["my-judge"] > 1 || "spamd" in finding')
    expect([...filter.judges]).toEqual(['clamd', 'my-judge', 'spamd'])
    expect([...parseFilter('user == "x"').judges]).toEqual([])
    expect([...parseFilter('verdict clamd').judges]).toEqual([])
    expect([...parseFilter('attachments.exists(verdict, verdict.name == "x")').judges]).toEqual([])
  })

  test.each([
    'verdict == verdict',
    'verdict[user] == "x"',
    'score[user + "x"] > 1',
    '(user in finding)',
    'known(verdict)',
    'size(score) > 1',
  ])('refuses %s: judges are written out', (text) => {
    expect(() => parseFilter(text)).toThrow(/takes the name of a judge written out, as in `\w+\.clamd`/)
  })
})

describe('parseCondition', () => {
  test('reads an expression as a filter does', () => {
    expect(parseCondition(' errors > 0 ').text).toBe('errors > 0')
    expect(() => parseCondition('errors >')).toThrow('the expression ends where a value is missing')
  })

  test.each([
    ['invoice alice', '`alice` is not possible here', 8],
    ['', 'the expression ends where a value is missing', 0],
    ['usr', 'unknown field `usr` (did you mean `user`?)', 0],
    ['  user in finding', 'takes the name of a judge written out', 10],
  ])('takes no plain words: %s', (text, message, column) => {
    let thrown: unknown = null
    try {
      parseCondition(text)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(FilterError)
    expect(thrown).toMatchObject({ column, message: expect.stringContaining(message) })
  })
})
