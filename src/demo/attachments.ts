/**
 * The files attached to the sample messages, made by arithmetic so that the project carries no binary files and
 * each run has the same octets. Owns file formats; knows nothing of mail but the lines of base64.
 */

/** Characters of a base64 line in mail (RFC 2045 §6.8). */
const BASE64_LINE = 76

/** Writes octets as base64 in lines of 76 characters, each with its CRLF. */
export function base64Lines(octets: Buffer): string {
  const lines = octets.toString('base64').match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []
  return lines.map((line) => `${line}\r\n`).join('')
}

/**
 * Draws a sunset over water as an uncompressed 24-bit bitmap.
 *
 * @param side width and height in pixels, a multiple of 4
 */
export function sunsetBitmap(side: number): Buffer {
  const header = Buffer.alloc(54)
  const pixels = Buffer.alloc(side * side * 3)
  header.write('BM', 0, 'latin1')
  header.writeUInt32LE(header.length + pixels.length, 2)
  header.writeUInt32LE(header.length, 10)
  header.writeUInt32LE(40, 14)
  header.writeInt32LE(side, 18)
  header.writeInt32LE(side, 22)
  header.writeUInt16LE(1, 26)
  header.writeUInt16LE(24, 28)
  header.writeUInt32LE(pixels.length, 34)
  const horizon = side / 2
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const height = Math.abs(y - horizon)
      const isSun = (x - horizon) ** 2 + height ** 2 < (side / 5) ** 2
      const isRipple = y < horizon && (x + y * 7) % 19 < 4
      const at = (y * side + x) * 3
      pixels[at] = isSun ? 90 : Math.floor((height * 200) / side) + (isRipple ? 40 : 0)
      pixels[at + 1] = isSun ? 200 : 120 - Math.floor((height * 160) / side)
      pixels[at + 2] = isSun ? 255 : 240 - Math.floor((height * 300) / side)
    }
  }
  return Buffer.concat([header, pixels])
}

/** Records a bell that strikes once a second, 8-bit mono at 8 kHz, as a WAVE file. */
export function bellWave(seconds: number): Buffer {
  const rate = 8_000
  const samples = Buffer.alloc(rate * seconds)
  for (let index = 0; index < samples.length; index += 1) {
    const sinceStrike = index % rate
    const loudness = Math.floor((100 * (rate - sinceStrike)) / rate)
    // A triangle of 500 Hz: integers only, so that every machine rings the same.
    const phase = index % 16
    const triangle = phase < 8 ? phase - 4 : 12 - phase
    samples[index] = 128 + Math.trunc((triangle * loudness) / 4)
  }
  const header = Buffer.alloc(44)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(rate, 24)
  header.writeUInt32LE(rate, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

/**
 * Writes a PDF of one page with lines of text.
 *
 * @param lines ASCII without parentheses and backslashes, which would end or escape a string of the page
 */
export function onePagePdf(lines: readonly string[]): Buffer {
  const text = lines.map((line) => `(${line}) Tj T*`).join('\n')
  const page = `BT /F1 12 Tf 16 TL 72 770 Td\n${text}\nET`
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R ' +
      '/Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>',
  ]
  let pdf = '%PDF-1.4\n'
  const offsets = objects.map((object, index) => {
    const offset = pdf.length
    pdf += `${index + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${pdf.length}\n%%EOF\n`
  return Buffer.from(
    `${pdf}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}${trailer}`,
    'latin1',
  )
}
