import { describe, expect, test } from 'vitest'
import { editMessage } from '../../src/mail/edit.js'
import { expectGrowth } from '../support/growth.js'
import { decided, memoryCache, SESSION, seen, sessionRules } from './rules.js'

const PATTERNS = ['(a+)+$', '(a|aa)*b', '(.*)*x', '([a-z]+)*!']

describe('hostile mail', () => {
  test.each(PATTERNS)(
    'costs %s time linear to its length, where it is looked for and replaced',
    (pattern) => {
      const rules = sessionRules(
        `\n  - {name: a, when: 'body.matches("${pattern}") || true', then: [{replace-text: {pattern: '${pattern.replace('*x', '+x').replace(')*b', ')+b')}', with: "-"}}]}\n`,
      )
      const deciding = (length: number) => {
        const mail = Buffer.from(`Subject: x\r\n\r\n${'a'.repeat(length)}!\r\n`)
        const all = { ...seen('\r\n\r\n'), size: mail.length, header: mail, message: mail }
        return () => editMessage(mail, decided(rules.examine(all, SESSION, 'delivery')).edits)
      }
      // Who backtracks is told by few characters already; at more of them it would not come to an end.
      expectGrowth('linear', { from: 4, times: 5 }, deciding)
      expectGrowth('linear', { from: 2_000 }, deciding)
      expect(deciding(1_000_000)().length).toBeGreaterThan(0)
    },
  )

  test('with a hundred thousand header fields, addresses and parts is decided within the bounds', () => {
    const rules = sessionRules(`
  - name: a
    when: '"x-none" in header || "x-none" in raw_header || from.contains("nobody") || attachments.exists(a, a.size > 1 * GB) || body.contains("nothing")'
    then: [hide]
`)
    const bombs = [
      `${'X-A: b\r\n'.repeat(100_000)}\r\nbody`,
      `From: ${Array.from({ length: 100_000 }, (_, index) => `a${index}@example.org`).join(',\r\n ')}\r\n\r\nbody`,
      `${Array.from({ length: 1_000 }, (_, depth) => `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n`).join('')}Content-Type: text/plain\r\n\r\nbody`,
    ]
    for (const bomb of bombs) {
      const message = Buffer.from(bomb)
      const all = { ...seen('\r\n\r\n'), size: message.length, header: message, message }
      expect(decided(rules.examine(all, SESSION, 'delivery'))).toMatchObject({ hits: [], isLasting: true })
    }
  })

  test('injects no line anywhere', () => {
    const rules = sessionRules(
      `
  - name: a
    when: 'true'
    then:
      - add-header: {name: X-A, value: "{subject} {from} {header.x-evil} {raw_header.x-evil}"}
      - tag-subject: "[{from}]"
      - quarantine: {text: "{subject}"}
      - mark: "{subject}"
`,
      memoryCache(),
    )
    const evil = '=?utf-8?q?a=0D=0AX-Injected:_1=0D=0A=0D=0A.=0D=0A+OK?='
    const mail = `Subject: ${evil}\r\nFrom: ${evil} <a@example.org>\r\nX-Evil: ${evil}\r\n\r\nbody\r\n`
    const verdict = decided(rules.examine(seen(mail), SESSION, 'delivery'))
    const lines = editMessage(Buffer.from(mail), verdict.edits).toString('latin1').split('\r\n')
    expect(lines.filter((line) => /^X-Injected|^\+OK|^\.$/.test(line))).toEqual([])
    for (const { reason, actions } of verdict.hits)
      expect(`${reason}${actions.join('')}`).not.toMatch(/[\r\n]/)
  })
})
