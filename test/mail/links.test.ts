import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { disarmHtml, disarmText } from '../../src/mail/links.js'
import { expectGrowth } from '../support/growth.js'

describe('disarmText', () => {
  test.each([
    ['see https://example.org/a.b?c=d.e', 'see hxxps://example[.]org/a.b?c=d.e'],
    ['HTTP://Example.ORG', 'HXXP://Example[.]ORG'],
    ['<http://a.b.c:8080/x>, ftp://u:p.q@d.e', '<hxxp://a[.]b[.]c:8080/x>, fxp://u:p[.]q@d[.]e'],
    ['End with http://example.org.', 'End with hxxp://example[.]org.'],
    ['www.example.org and me@www.example.org', 'www[.]example[.]org and me@www.example.org'],
    ['http://a.b/?u=http://c.d', 'hxxp://a[.]b/?u=hxxp://c[.]d'],
    ['xhttp://a.b', 'xhxxp://a[.]b'],
    ['http://', 'hxxp://'],
    ['https://münchen.de/ü', 'hxxps://münchen[.]de/ü'],
    ['nothing: http:/a.b mailto:a@b.c 1.2.3', 'nothing: http:/a.b mailto:a@b.c 1.2.3'],
  ])('makes of %j', (before, after) => {
    expect(disarmText(before)).toBe(after)
    expect(disarmText(after)).toBe(after)
  })
})

describe('disarmHtml', () => {
  test.each([
    ['<a href="https://a.b/c.d">https://a.b</a>', '<a href="hxxps://a[.]b/c.d">hxxps://a[.]b</a>'],
    ["<a HREF='http://a.b'>x</a>", "<a HREF='hxxp://a[.]b'>x</a>"],
    ['<img src=http://a.b/c.png alt=x>', '<img src=hxxp://a[.]b/c.png alt=x>'],
    ['<form action = "//a.b/c">', '<form action = "hxxp://a[.]b/c">'],
    ['<a href="\\\\a.b\\c">', '<a href="hxxp://a[.]b\\c">'],
    ['<a href="https:a.b/">', '<a href="hxxps://a[.]b/">'],
    ['<a href=" \n h\ntt\tp://a.b/">', '<a href="hxxp://a[.]b/">'],
    ['<a href="&#104;&#x74;tp&colon;&sol;/a&period;b/c">', '<a href="hxxp://a[.]b/c">'],
    ['<a href="&#00000000104ttp://a.b">', '<a href="hxxp://a[.]b">'],
    ['<a href="http://a&amp;b.c/">', '<a href="hxxp://a&#38;b[.]c/">'],
    ['<a href="http://ü.b/">', '<a href="hxxp://&#252;[.]b/">'],
    ['<base href=//a.b>', '<base href=hxxp://a[.]b>'],
    [
      '<td background="http://a.b/i.gif" style="background:url(http://a.b/i)">',
      '<td background="hxxp://a[.]b/i.gif" style="background:url(hxxp://a[.]b/i)">',
    ],
    ['<meta content="0;url=&#104;ttp://a.b/">', '<meta content="0;url=hxxp://a[.]b/">'],
    [
      '<!--[if mso]><a href="//a.b">x</a><![endif]-->',
      '<!--[if mso]><a href="hxxp://a[.]b">x</a><![endif]-->',
    ],
    ['<title><a x="</title><a href=&#104;ttp://a.b>', '<title><a x="</title><a href=hxxp://a[.]b>'],
    ['<a href="http://a.b', '<a href="hxxp://a[.]b'],
  ])('makes of %j', (before, after) => {
    expect(disarmHtml(before)).toBe(after)
    expect(disarmHtml(after)).toBe(after)
  })

  test.each([
    '<a href="cid:a@b.c"><img src="data:image/png;base64,AA//AA"><a href="#top">',
    '<a href="mailto:a@b.c">a@b.c</a> 1.2.3 <a href=/local>',
    '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:o = \'http://schemas.microsoft.com/office\'>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
    '<a href="">',
    '<a href=',
    'href="&#',
  ])('leaves %j', (html) => {
    expect(disarmHtml(html)).toBe(html)
  })

  test('leaves nothing to click in any mixture, and changes nothing twice', () => {
    const piece = fc.constantFrom(
      '<a href=',
      '"',
      "'",
      'http://',
      'h',
      '&#104;',
      'ttp',
      ':',
      '//',
      '\\',
      'a.b',
      '>',
      ' ',
      '\n',
      '\t',
      // Glued to a host it is no attribute.
      ' src=',
      '<!--',
      '-->',
      'www.',
      '&colon;',
      'ü',
      '&#99999999;',
      '😀',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const once = disarmHtml(pieces.join(''))
        expect(once).not.toMatch(/(?:https?|ftp):\/\//i)
        expect(disarmHtml(once)).toBe(once)
        expect(disarmText(pieces.join(''))).not.toMatch(/(?:https?|ftp):\/\//i)
      }),
      { numRuns: 3_000 },
    )
  })

  test.each([
    'http://',
    'www.',
    'href=',
    'href="',
    'href=" ',
    ' ',
    'href',
    'href=http:',
    '&#9;',
    '<a href="&#104;',
    '/',
    '&',
    '<!doctype ',
    'xmlns="http://',
    'a.',
    "href='//",
    'href=&#000000000',
    '=',
    'href =  ',
  ])('costs no more than in proportion for a text of nothing but %j', (piece) => {
    expectGrowth('linear', { from: 4_000 }, (count) => {
      const html = `<a href="${piece.repeat(count)}`
      return () => [disarmHtml(html), disarmText(html)]
    })
  })
})
