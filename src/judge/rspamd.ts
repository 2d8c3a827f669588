/**
 * rspamd, asked by POST /checkv2. Owns which headers it is told and which fields of its answer are read; knows nothing
 * of what an action means to a rule.
 */
import { z } from 'zod'
import type { JudgeSecret } from '../rules/judge-settings.js'
import type { JudgeAnswer } from '../rules/verdict.js'
import { safeText } from '../trace/safe-text.js'
import { type Adapter, answerOf, quoted, type Trouble } from './adapter.js'
import { headerText, postForJson, urlText } from './http-post.js'
import type { JudgeLimits } from './limits.js'
import { readSecret } from './secret.js'

const ANSWER = z.object({
  action: z.string().min(1),
  score: z.number(),
  symbols: z.record(z.string(), z.object({ score: z.number().default(0) })).default({}),
})

// More names than a person reads; safeText bounds their length besides.
const MOST_SYMBOLS = 32

/**
 * Asks rspamd.
 *
 * @param url of a normal worker, a proxy worker or the controller; `/checkv2` is put behind it where it is missing
 * @param password of the controller; null for none
 * @returns the action as verdict, `clean` for `no action`; its score; as finding the names of the symbols that have a
 *   score, highest first
 */
export function rspamd(url: string, password: JudgeSecret | null, limits: JudgeLimits): Adapter {
  const address = checkAddress(url)
  return {
    subject: `rspamd at ${urlText(new URL(url))}`,
    isToldUser: true,
    async ask({ message, about }, signal) {
      const headers: Record<string, string> = {
        'content-type': 'message/rfc822',
        'queue-id': headerText(safeText(about.session)),
      }
      // Not `User` and `Ip`: to rspamd these are who handed the message in. With one of them it takes mail from
      // anywhere for a user's own on its way out, and leaves out SPF, DMARC and block lists.
      if (about.user !== null) headers['deliver-to'] = headerText(safeText(about.user))
      if (password !== null) {
        const said = await readSecret(password, process.env)
        if (typeof said !== 'string') return said
        headers.password = headerText(said)
      }
      const answer = await postForJson(
        { url: address, headers, message, mostOctets: limits.answerOctets },
        signal,
      )
      return 'json' in answer ? readAnswer(answer.json) : answer
    },
  }
}

function checkAddress(url: string): URL {
  const address = new URL(url)
  if (!address.pathname.endsWith('/checkv2')) {
    address.pathname = `${address.pathname.replace(/\/$/, '')}/checkv2`
  }
  return address
}

function readAnswer(json: unknown): JudgeAnswer | Trouble {
  const answer = ANSWER.safeParse(json)
  if (!answer.success) {
    return { trouble: `gave an answer without a readable action or score: ${quoted(JSON.stringify(json))}` }
  }
  const { action, score, symbols } = answer.data
  const isClean = action.trim().toLowerCase() === 'no action'
  const all = Object.entries(symbols).sort(([, one], [, other]) => other.score - one.score)
  const scored = all.filter(([, symbol]) => symbol.score !== 0)
  // Where rspamd stops early (GTUBE, a forced action) the symbol that was the reason has no score.
  const told = scored.length === 0 && !isClean ? all : scored
  const names = told.slice(0, MOST_SYMBOLS).map(([name]) => name)
  if (told.length > names.length) names.push(`and ${told.length - names.length} more`)
  return answerOf(isClean ? 'clean' : action, score, names.join(', '))
}
