/**
 * Dialogues to begin from: what real clients and servers say, and what they say wrong. Each seed of a decoder
 * begins with {@link HEADER_OCTETS} that choose limits, expectations and the split; see `codec-targets.ts`.
 */
import { CANARY, CANARY_BASE64 } from '../support/canary.js'

/** Octets in front of the stream that say how it is decoded. */
export const HEADER_OCTETS = 6

const CLIENT_STREAMS = [
  'CAPA\r\nUSER alice\r\nPASS secret word\r\nSTAT\r\nUIDL\r\nLIST 1\r\nTOP 1 99999999\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n',
  `USER ${CANARY}\r\nPASS ${CANARY}\r\nAPOP alice ${CANARY}\r\nRPOP ${CANARY}\r\n`,
  `AUTH PLAIN ${CANARY_BASE64}\r\nAUTH LOGIN\r\n${CANARY_BASE64}\r\n${CANARY_BASE64}\r\n*\r\n\r\n`,
  `AUTH X-NEW ${CANARY}\r\n${CANARY_BASE64}\r\n*\r\nAUTH\r\nAUTH scram-sha-256 =\r\n`,
  'STLS\r\nUSER a\r\nUTF8\r\nLANG de-CH\r\nLANG\r\nLANG *\r\nNOOP\r\nRSET\r\nLAST\r\n',
  `XTND XMIT\r\nXSENDER 1\r\nXCLIENT ADDR=1 ${CANARY}\r\n*ENV 2\r\nXFOO ${CANARY}\r\n`,
  ` pass  ${CANARY}\n\rNOOP \r\r\nUSER a\0b\r\n__proto__ x\r\nconstructor\r\nPASS${CANARY}\r\nPA\xdf x\r\n`,
  `AUTH XOAUTH2 ${'QUJD'.repeat(60)}\r\nPASS ${'x'.repeat(200)}\r\n`,
] as const

const SERVER_STREAMS = [
  '+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>\r\n+OK\r\n+OK 2 320\r\n-ERR [IN-USE] locked\r\n',
  '+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN CRAM-MD5\r\nSTLS\r\n.\r\n',
  '+OK 120 octets\r\nSubject: a\r\n\r\n..stuffed\r\n.unstuffed\r\n..\r\nb\r\n.\r\n+OK\r\n',
  '+OK\r\n.\r\nSubject: stray\r\n\r\n.\r\n+OK 1\r\n',
  '+OK\r\na\n.\nb\n.\r\nc\r\n.\nd\r\n.\re\r.\r\n\r\n.\r\r\n.\r\n',
  `+ ${CANARY_BASE64}\r\n+ \r\n+\r\n+OK in\r\n+ ${CANARY}\r\n-ERR [AUTH] no\r\n`,
  '+ok lower\n-err\n+OKglued\r\n+OK a\rb\0c\r\n* OK IMAP\r\n220 smtp\r\n\r\n-ERR [SYS/TEMP]x\r\n',
  `-ERR ${'x'.repeat(120)}\r\n${'stray '.repeat(30)}\r\n+OK\r\n`,
] as const

const CONTENTS = [
  '.\r\n',
  'Subject: a\r\n\r\nb\r\n.\r\n+OK\r\n',
  '..a\r\n.b\r\n..\r\n...\r\n.\r\n',
  'a\r\n.\r\r\n.\r\n',
  'a\n.\nb\r\n.\nc\r.\r\nd\r\n.\r\n',
  `${'a.b.c. '.repeat(40)}\r\n..x\r\n.\r\n`,
] as const

const TEXTS = [
  '+OK ready\r\n',
  '-ERR [SYS/TEMP] later\r\n',
  'SASL PLAIN SCRAM-SHA-1-PLUS\r\nSTLS\r\nEXPIRE 60\r\n',
  '\x1b]0;title\x07\x9b31m\u00e2\u0080\u00ae',
  'RETR  3 \r\n',
] as const

/** Seeds of a client's decoder. */
export const CLIENT_SEEDS: readonly Buffer[] = CLIENT_STREAMS.flatMap((stream) => [
  seed([0, 0, 0, 0, 0, 3], stream),
  seed([5, 0, 1, 1, 0, 7], stream),
])

/** Seeds of a server's decoder, with the expectations in several orders. */
export const SERVER_SEEDS: readonly Buffer[] = SERVER_STREAMS.flatMap((stream) => [
  seed([0, 0, 2, 2, 0, 3], stream),
  seed([4, 3, 3, 3, 0, 5], stream),
  seed([3, 4, 4, 1, 0, 7], stream),
])

/** Seeds of the content scanner: the octet in front chooses the split. */
export const CONTENT_SEEDS: readonly Buffer[] = CONTENTS.map((content) => seed([3], content))

/** Seeds for functions of one text. */
export const TEXT_SEEDS: readonly Buffer[] = TEXTS.map((text) => seed([], text))

function seed(header: readonly number[], stream: string): Buffer {
  return Buffer.concat([Buffer.from(header), Buffer.from(stream, 'latin1')])
}
