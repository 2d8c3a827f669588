/**
 * The rules that sessions get: read from files, read again when they change, with their judges, the quarantine, the
 * memory of verdicts and the webhooks. Owns which rules are in force, and that a session keeps those it began with; knows
 * nothing of what rules say or of what is done about it.
 */
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { RulesSettings } from '../config/settings.js'
import { formatDuration } from '../config/units.js'
import type { JudgedSession, Judges } from '../judge/judge.js'
import { createJudges } from '../judge/judges.js'
import type { MessageSource } from '../mail/source.js'
import { QUARANTINE_LIMITS } from '../quarantine/limits.js'
import { openQuarantine, type Quarantine } from '../quarantine/quarantine.js'
import { HoldingRoom } from '../relay/holding-room.js'
import type { MaildropAnswer, MaildropQuestion } from '../relay/maildrop.js'
import { SPOOL_ROOM_OCTETS } from '../relay/spool.js'
import { addressOf } from '../rules/known-message.js'
import type { RuleText } from '../rules/rule-file.js'
import { loadRules, type RuleSet } from '../rules/rule-set.js'
import { createSessionRules } from '../rules/session-rules.js'
import type { JudgeAnswers, Logins, SessionRules } from '../rules/verdict.js'
import { RuleHitCounter } from '../trace/rule-hits.js'
import { Notifier } from './notifier.js'
import { RuleFileError, RuleFileWatch, readRuleFiles } from './rule-files.js'
import { SpoolFolder } from './spool-files.js'
import { VerdictCache } from './verdict-cache.js'

/** What is known of a session where rules are asked about it. Texts are harmless. */
export interface RuledSession {
  readonly session: string
  readonly service: string
  /** Address and port. */
  readonly client: string
  /** Asked at the moment, since a login changes it. */
  readonly user: () => string | null
}

/** The rules of one session. */
export interface SessionRulesInForce {
  readonly rules: SessionRules
  /** Asks judges or the quarantine. Never rejects. */
  ask(question: MaildropQuestion, message: MessageSource): Promise<MaildropAnswer>
  /** Where messages lie that are larger than memory is given, and what may lie there. */
  readonly spoolFolder: SpoolFolder
  readonly spoolRoom: HoldingRoom
  notify(about: { readonly url: string; readonly rule: string; readonly uniqueId: string | null }): void
  /** A login has succeeded. */
  loggedIn(): void
  /** The session is over. */
  leave(): void
}

/** Whom rules tell what becomes of them. */
export interface RulesListener {
  /** Other rules are in force from now on. */
  changed(ruleSet: RuleSet): void
  /** Changed files were refused, and the rules before them stay. */
  refused(text: string): void
}

/** Changed rule files that were not taken. */
export interface Refusal {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Every mistake, in lines for a person. */
  readonly text: string
}

/** Where the rules keep what they need, beside what the settings name. */
export interface RulesPlaces {
  /** Where names in messages are relative to, absolute. */
  readonly workingDirectory: string
  /** The quarantine where the settings name none, absolute. */
  readonly quarantineDirectory: string
  /** Of messages larger than memory is given, where the settings name none, absolute. */
  readonly spoolDirectory: string
}

const NO_LISTENER: RulesListener = { changed: () => {}, refused: () => {} }

/** One rule set in use. Its judges live as long as a session does that began with it. */
class Generation {
  readonly ruleSet: RuleSet
  readonly rules: SessionRules
  readonly judges: Judges
  readonly texts: readonly RuleText[]
  #sessions = 0
  #isOver = false

  constructor(ruleSet: RuleSet, rules: SessionRules, judges: Judges, texts: readonly RuleText[]) {
    this.ruleSet = ruleSet
    this.rules = rules
    this.judges = judges
    this.texts = texts
  }

  enter(): void {
    this.#sessions += 1
  }

  leave(): void {
    this.#sessions -= 1
    this.#closeWhenUnused()
  }

  end(): void {
    this.#isOver = true
    this.#closeWhenUnused()
  }

  #closeWhenUnused(): void {
    if (this.#isOver && this.#sessions === 0) this.judges.close()
  }
}

/** Users and clients whose last login is remembered: more than any service of one machine has. */
const LOGINS_REMEMBERED = 20_000

/** When users logged in last; see `limit-logins`. */
export class LastLogins implements Logins {
  readonly #at = new LRUCache<string, number>({ max: LOGINS_REMEMBERED })

  lastAt(service: string, user: string | null, client: string): number | null {
    return this.#at.get(user === null ? clientKey(service, client) : userKey(service, user)) ?? null
  }

  /** @param now milliseconds since the epoch */
  note(service: string, user: string | null, client: string, now: number): void {
    if (user !== null) this.#at.set(userKey(service, user), now)
    this.#at.set(clientKey(service, client), now)
  }
}

function userKey(service: string, user: string): string {
  return JSON.stringify(['user', service, user])
}

function clientKey(service: string, client: string): string {
  return JSON.stringify(['client', service, client])
}

/** The rules of a process. */
export class RulesInForce {
  /** How often rules held since the start, whichever were in force by then. */
  readonly hits = new RuleHitCounter()
  /** Called where {@link ruleSet} or {@link refusal} is another than before. */
  onChange: () => void = () => {}
  readonly #log: Logger
  readonly #places: RulesPlaces
  readonly #cache: VerdictCache
  readonly #notifier: Notifier
  readonly #logins = new LastLogins()
  readonly #spoolRoom = new HoldingRoom(SPOOL_ROOM_OCTETS)
  #settings: RulesSettings
  #quarantine: Quarantine | null
  #generation: Generation
  #watch: RuleFileWatch | null = null
  #listener = NO_LISTENER
  #refusal: Refusal | null = null

  private constructor(
    settings: RulesSettings,
    places: RulesPlaces,
    log: Logger,
    parts: {
      readonly cache: VerdictCache
      readonly quarantine: Quarantine | null
      readonly texts: readonly RuleText[]
    },
  ) {
    this.#settings = settings
    this.#places = places
    this.#log = log
    this.#cache = parts.cache
    this.#quarantine = parts.quarantine
    this.#notifier = new Notifier(log)
    this.#generation = this.#generationOf(loadRules(parts.texts), parts.texts)
  }

  /**
   * Reads the rules and opens what they need.
   *
   * @throws RuleError, RuleFileError, QuarantineError or VerdictCacheError, with nothing left open
   */
  static async open(settings: RulesSettings, places: RulesPlaces, log: Logger): Promise<RulesInForce> {
    const texts = readRuleFiles(settings.paths, places.workingDirectory)
    const rules = await RulesInForce.ofTexts(texts, settings, places, log)
    rules.#watchFiles()
    return rules
  }

  /**
   * Takes rules that stand in no file, and opens what they need. They are never read again.
   *
   * @throws as {@link RulesInForce.open}, with nothing left open
   */
  static async ofTexts(
    texts: readonly RuleText[],
    settings: RulesSettings,
    places: RulesPlaces,
    log: Logger,
  ): Promise<RulesInForce> {
    const quarantine = await quarantineFor(loadRules(texts), settings, places)
    const { verdictsFile } = settings
    try {
      const cache =
        verdictsFile === null ? VerdictCache.inMemory(log) : await VerdictCache.open(verdictsFile, log)
      return new RulesInForce(settings, places, log, { cache, quarantine, texts })
    } catch (error) {
      quarantine?.close()
      throw error
    }
  }

  /** The rules in force. */
  get ruleSet(): RuleSet {
    return this.#generation.ruleSet
  }

  /** Why the files as they are now are not in force; null where they are. */
  get refusal(): Refusal | null {
    return this.#refusal
  }

  /** Tells whoever shows rules what becomes of them. */
  listen(listener: RulesListener): void {
    this.#listener = listener
  }

  /** The rules for a session that begins; null where there are none. */
  forSession(about: RuledSession): SessionRulesInForce | null {
    const generation = this.#generation
    if (generation.ruleSet.rules.length === 0) return null
    generation.enter()
    return {
      rules: generation.rules,
      ask: (question, message) => this.#ask(generation, question, message, about),
      spoolFolder: new SpoolFolder(this.#settings.spoolDirectory ?? this.#places.spoolDirectory),
      spoolRoom: this.#spoolRoom,
      notify: ({ url, rule, uniqueId }) => {
        const { session, service, client, user } = about
        const nothing = { reason: '', from: null, subject: null, size: null }
        this.#notifier.notify({
          ...nothing,
          url,
          rule,
          uniqueId,
          session,
          service,
          client,
          user: user(),
          at: Date.now(),
        })
      },
      loggedIn: () => this.#logins.note(about.service, about.user(), addressOf(about.client), Date.now()),
      leave: () => generation.leave(),
    }
  }

  /**
   * Reads the files again, where `settings` says. Sessions that are open keep the rules they have.
   *
   * @throws as {@link RulesInForce.open}, with the rules before in force
   */
  async reload(settings: RulesSettings = this.#settings): Promise<void> {
    try {
      await this.#reload(settings)
    } catch (error) {
      this.#refusal = { at: Date.now(), text: error instanceof Error ? error.message : String(error) }
      this.onChange()
      throw error
    }
  }

  async #reload(settings: RulesSettings): Promise<void> {
    const texts = readRuleFiles(settings.paths, this.#places.workingDirectory)
    this.#refuseEmptied(texts)
    const ruleSet = loadRules(texts)
    const isSame = JSON.stringify(texts) === JSON.stringify(this.#generation.texts)
    const quarantine =
      this.#quarantine !== null && settings.quarantineDirectory === this.#settings.quarantineDirectory
        ? this.#quarantine
        : await quarantineFor(ruleSet, settings, this.#places)
    if (quarantine !== this.#quarantine) this.#quarantine?.close()
    this.#quarantine = quarantine
    this.#settings = settings
    this.#watchFiles()
    const wasRefused = this.#refusal !== null
    this.#refusal = null
    // Mended to what is in force already: worth saying after a refusal alone.
    if (isSame && !wasRefused) return
    if (!isSame) {
      this.#generation.end()
      this.#generation = this.#generationOf(ruleSet, texts)
    }
    this.onChange()
    this.#log.info({ event: 'rules-loaded', rules: ruleSet.rules.length, judges: ruleSet.judges.length })
    this.#listener.changed(ruleSet)
  }

  /** A file that was cut to nothing is being written, more likely than that somebody wants no rules. */
  #refuseEmptied(texts: readonly RuleText[]): void {
    const before: readonly RuleText[] = this.#generation.texts
    const emptied = texts.find(
      ({ file, text }) => text === '' && before.some((known) => known.file === file && known.text !== ''),
    )
    if (emptied !== undefined)
      throw new RuleFileError(
        `${emptied.file}: found an empty file where there were rules, expected rules, or no file to have none`,
      )
  }

  /** Ends everything: sessions are closed by now. */
  async close(): Promise<void> {
    this.#watch?.close()
    this.#generation.end()
    this.#notifier.close()
    this.#quarantine?.close()
    await this.#cache.close()
  }

  #generationOf(ruleSet: RuleSet, texts: readonly RuleText[]): Generation {
    // What was released from quarantine is decided anew.
    const keyed = needsQuarantine(ruleSet)
      ? (key: string): string => `${this.#quarantine?.releases ?? ''} ${key}`
      : (key: string): string => key
    const remembers = {
      get: (key: string): unknown => this.#cache.get(keyed(key)),
      set: (key: string, value: unknown): void => this.#cache.set(keyed(key), value),
    }
    const rules = createSessionRules(ruleSet, remembers, Date.now, this.#logins)
    return new Generation(ruleSet, rules, createJudges(ruleSet.judges), texts)
  }

  async #ask(
    generation: Generation,
    question: MaildropQuestion,
    message: MessageSource,
    about: RuledSession,
  ): Promise<MaildropAnswer> {
    const { session, service, client } = about
    const user = about.user()
    if (question.type === 'judge') {
      const judged = { session, service, user, client: addressOf(client) }
      return { type: 'judged', answers: await askWithin(generation.judges, question, message, judged) }
    }
    if (this.#quarantine === null) return { type: 'failed', text: 'there is no quarantine' }
    const { rule, reason, uniqueId } = question
    return await this.#quarantine.keep(message, {
      rule,
      reason,
      user,
      service,
      session,
      at: Date.now(),
      uniqueId,
    })
  }

  #watchFiles(): void {
    this.#watch?.close()
    const changed = (): void => void this.#reloadChanged()
    const blind = (path: string, reason: string): void =>
      this.#log.warn({ event: 'rules-unwatched', path, text: `${reason}: send SIGHUP after a change` })
    this.#watch = new RuleFileWatch(this.#settings.paths, changed, blind)
  }

  async #reloadChanged(): Promise<void> {
    try {
      await this.reload()
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      this.#log.error({
        event: 'rules-refused',
        text: `the changed rules are refused, those before stay:\n${text}`,
      })
      this.#listener.refused(text)
    }
  }
}

/** Asks judges, and waits no longer for any of them than the rule wants. */
async function askWithin(
  judges: Judges,
  { judges: names, budgetMs }: Extract<MaildropQuestion, { type: 'judge' }>,
  message: MessageSource,
  about: JudgedSession,
): Promise<JudgeAnswers> {
  if (budgetMs === null) return await judges.ask(names, message, about)
  const timers: NodeJS.Timeout[] = []
  const answers = names.map(async (name): Promise<JudgeAnswers> => {
    const late = new Promise<JudgeAnswers>((resolve) => {
      const failed = `${name} gave no answer within the ${formatDuration(budgetMs)} of the rule`
      timers.push(setTimeout(() => resolve(new Map([[name, { failed }]])), budgetMs))
    })
    return await Promise.race([judges.ask([name], message, about), late])
  })
  const all = await Promise.all(answers)
  for (const timer of timers) clearTimeout(timer)
  return new Map(all.flatMap((each) => [...each]))
}

function needsQuarantine({ messageRules }: RuleSet): boolean {
  return messageRules.some(({ actions }) => actions.some(({ does }) => does.type === 'quarantine'))
}

/** No folder is made for rules that take nothing away. */
async function quarantineFor(
  ruleSet: RuleSet,
  settings: RulesSettings,
  places: RulesPlaces,
): Promise<Quarantine | null> {
  if (!needsQuarantine(ruleSet)) return null
  return await openQuarantine(settings.quarantineDirectory ?? places.quarantineDirectory, QUARANTINE_LIMITS)
}
