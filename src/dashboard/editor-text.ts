/**
 * What an editor gets to see of octets, and what comes back. Editors make lines end with LF, and end a file with one;
 * mail and commands do neither. Owns that translation. Pure.
 */

/** Octets as an editor likes them, and the way back. */
export interface EditorText {
  readonly octets: Buffer
  /**
   * Makes what the editor left what is to be sent.
   *
   * @returns null where nothing was changed
   */
  restore(edited: Buffer): Buffer | null
}

/**
 * Prepares octets for an editor: CRLF becomes LF where all line ends are CRLF, and a last line without an end gets one.
 * Octets are kept whatever they mean, and mixed line ends as they are.
 */
export function editorText(original: Buffer): EditorText {
  // Latin-1 is one character an octet, in both directions.
  const text = original.toString('latin1')
  const isCrlf = text.includes('\r\n') && !/(^|[^\r])\n|\r(?!\n)/.test(text)
  const body = isCrlf ? text.replaceAll('\r\n', '\n') : text
  const isOpen = !body.endsWith('\n')
  const shown = Buffer.from(isOpen ? `${body}\n` : body, 'latin1')
  return {
    octets: shown,
    restore(edited) {
      if (edited.equals(shown)) return null
      const left = edited.toString('latin1')
      const closed = isOpen ? left.replace(/\r?\n$/, '') : left
      if (closed === body) return null
      // What was pasted from elsewhere may have CRLF already.
      const sent = isCrlf ? closed.replace(/\r?\n/g, '\r\n') : closed
      return Buffer.from(sent, 'latin1')
    },
  }
}
