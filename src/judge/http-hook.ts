/**
 * Any HTTP service as a judge: the message by POST, the answer as JSON. Owns that small protocol; knows nothing of who
 * answers.
 */
import { z } from 'zod'
import type { JudgeSecret } from '../rules/judge-settings.js'
import { safeText } from '../trace/safe-text.js'
import { type Adapter, answerOf } from './adapter.js'
import { headerText, postForJson, urlText } from './http-post.js'
import type { JudgeLimits } from './limits.js'
import { readSecret } from './secret.js'

/** What the service answers; other fields are its own business. */
const ANSWER = z.object({
  verdict: z.string().trim().min(1),
  score: z.number().nullish(),
  finding: z.string().nullish(),
})

/**
 * Asks an HTTP service: `POST url`, `Content-Type: message/rfc822`, and the session in `Postern-Session`,
 * `Postern-Client`, `Postern-Service` and, where it is known, `Postern-User`.
 *
 * @param headers added to the request, for a token; they win over postern's own
 * @returns what the JSON `{"verdict": text, "score": number or null, "finding": text}` says
 */
export function httpHook(
  url: string,
  headers: Readonly<Record<string, JudgeSecret>>,
  limits: JudgeLimits,
): Adapter {
  const address = new URL(url)
  return {
    subject: `the HTTP judge at ${urlText(address)}`,
    isToldUser: true,
    async ask({ message, about }, signal) {
      const told: Record<string, string> = {
        'content-type': 'message/rfc822',
        accept: 'application/json',
        'postern-session': headerText(safeText(about.session)),
        'postern-client': headerText(safeText(about.client)),
        'postern-service': headerText(safeText(about.service)),
      }
      if (about.user !== null) told['postern-user'] = headerText(safeText(about.user))
      for (const [name, value] of Object.entries(headers)) {
        const said = await readSecret(value, process.env)
        if (typeof said !== 'string') return said
        told[name.toLowerCase()] = headerText(said)
      }
      const answer = await postForJson(
        { url: address, headers: told, message, mostOctets: limits.answerOctets },
        signal,
      )
      if (!('json' in answer)) return answer
      const read = ANSWER.safeParse(answer.json)
      if (read.success) return answerOf(read.data.verdict, read.data.score ?? null, read.data.finding ?? '')
      const [issue] = read.error.issues
      const field = issue === undefined || issue.path.length === 0 ? '' : ` in "${issue.path.join('.')}"`
      return {
        trouble: `gave JSON that is no answer: ${issue?.message ?? 'it is of another form'}${field}; it has to be {"verdict": text, "score": number, "finding": text}`,
      }
    },
  }
}
