/**
 * Runs the dashboard: brings together source, state and terminal, draws when something changed, and performs what the
 * state asks for. Everything that waits, writes a file, starts an editor or ends is in this file.
 */
import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Filter } from '../expression/filter.js'
import { openEditor, type RunningEditor } from './editor.js'
import { editorText } from './editor-text.js'
import type { Effect } from './effect.js'
import type { TerminalInput } from './keys.js'
import { initialModel, type Model, settled } from './model.js'
import type { Screens } from './open-screen.js'
import { previewed } from './preview.js'
import { CLIPBOARD_OCTETS, TerminalScreen, type TerminalSource, type TerminalTarget } from './screen.js'
import { SCREENS } from './screens.js'
import type { DashboardSource } from './source.js'
import { dashboardObstacle, type Environment, terminalFacts } from './terminal.js'
import { type Message, update } from './update.js'
import { view } from './view.js'

/** Where a dashboard is shown, and how. */
export interface DashboardOptions {
  readonly input: TerminalSource
  readonly output: TerminalTarget
  readonly environment: Environment
  /** The filter that it begins with. */
  readonly filter?: Filter | null
  /** Screens by id. */
  readonly screens?: Screens
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  /** Stops the processes of the terminal's job, until they are continued. */
  readonly stopJob?: () => void
}

/** The terminal is none that a dashboard can be shown on. The message says what to do instead. */
export class DashboardError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DashboardError'
  }
}

/** Fifteen frames a second: smooth to the eye, and a slow line still keeps up. */
const FRAME_MS = 67
const TICK_MS = 1_000
/** A job that was continued, or one that no shell watches and that cannot be stopped, takes its terminal again. */
const RESUME_MS = 100

/**
 * Shows a dashboard until the person leaves it, its terminal goes away, or the process is asked to end.
 *
 * @returns `source-closed` where the proxy had ended before
 * @throws DashboardError where the terminal can show none
 */
export async function runDashboard(
  source: DashboardSource,
  options: DashboardOptions,
): Promise<'quit' | 'source-closed'> {
  const obstacle = dashboardObstacle(options.input, options.output, options.environment)
  if (obstacle !== null) throw new DashboardError(obstacle)
  return await new Dashboard(source, options).run()
}

class Dashboard {
  readonly #source: DashboardSource
  readonly #options: DashboardOptions
  readonly #screen: TerminalScreen
  readonly #now: () => number
  readonly #left: Promise<void>
  #leave: () => void = () => {}
  #model: Model
  #isDirty = true
  #drawnAt = Number.NEGATIVE_INFINITY
  #frame: NodeJS.Timeout | null = null
  #editor: RunningEditor | null = null
  #hasLeft = false

  constructor(source: DashboardSource, options: DashboardOptions) {
    this.#source = source
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#left = new Promise((resolve) => {
      this.#leave = () => {
        this.#hasLeft = true
        resolve()
      }
    })
    const facts = terminalFacts(options.environment)
    this.#screen = new TerminalScreen(options.input, options.output, facts, {
      inputs: (inputs) => this.#onInputs(inputs),
      resized: ({ columns, rows }) => {
        this.#take({ type: 'resized', columns, rows })
        this.#draw()
      },
      gone: () => this.#hangUp(),
    })
    this.#model = initialModel({
      screens: options.screens ?? SCREENS,
      source: source.kind,
      isUnicode: facts.isUnicode,
      size: this.#screen.size,
      now: this.#now(),
      filter: options.filter ?? null,
    })
  }

  async run(): Promise<'quit' | 'source-closed'> {
    const tick = setInterval(() => this.#take({ type: 'tick' }), TICK_MS)
    const forget = this.#watchProcess()
    try {
      this.#subscribe()
      this.#draw()
      await this.#left
      return this.#model.sourceState === 'closed' ? 'source-closed' : 'quit'
    } finally {
      clearInterval(tick)
      if (this.#frame !== null) clearTimeout(this.#frame)
      this.#editor?.abandon()
      this.#source.close()
      await this.#screen.close()
      forget()
    }
  }

  #subscribe(): void {
    this.#source.subscribe(
      (message) => this.#take({ type: 'from-proxy', message }),
      (problem) => this.#onClosed(problem),
    )
  }

  /**
   * The terminal is gone, and with it the face of a proxy: it ends, as for the person who quits. Asked for here, not
   * left to the exit status, because Node may crash at its end over a terminal that was closed.
   */
  #hangUp(): void {
    if (this.#hasLeft) return
    if (this.#model.hello?.isFace === true) this.#source.request({ type: 'end-proxy', id: 'hang-up' })
    this.#leave()
  }

  #onClosed(problem: string | null): void {
    this.#take({ type: 'closed', problem })
    // The face of a proxy goes with it; a watcher may go on reading what it has.
    if (this.#model.hello?.isFace === true) this.#leave()
  }

  #onInputs(inputs: readonly TerminalInput[]): void {
    this.#take({ type: 'inputs', inputs })
    this.#draw()
  }

  #take(message: Message): void {
    if (this.#hasLeft) return
    const { model, effects } = update(this.#model, message, this.#now())
    this.#model = model
    this.#isDirty = true
    for (const effect of effects) this.#perform(effect)
    this.#drawSoon()
  }

  #drawSoon(): void {
    if (this.#frame !== null || !this.#isDirty || this.#hasLeft) return
    const wait = Math.max(0, FRAME_MS - (performance.now() - this.#drawnAt))
    this.#frame = setTimeout(() => {
      this.#frame = null
      this.#draw()
    }, wait)
  }

  #draw(): void {
    if (this.#hasLeft || this.#editor !== null || !this.#isDirty) return
    this.#drawnAt = performance.now()
    this.#model = previewed(settled(this.#model))
    this.#isDirty = !this.#screen.paint(view(this.#model))
    // The terminal has not read the last frame: this one waits, and the newest is shown then.
    if (this.#isDirty) this.#drawSoon()
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'request':
        this.#source.request(effect.message)
        return
      case 'edit':
        void this.#edit(effect)
        return
      case 'copy':
        this.#copy(effect.text, effect.what)
        return
      case 'write-file':
        void this.#writeFile(effect)
        return
      case 'mouse':
        this.#screen.setMouse(effect.isOn)
        return
      case 'redraw':
        this.#screen.redraw()
        return
      case 'suspend':
        this.#suspend()
        return
      case 'leave':
        this.#leave()
        return
      default:
        unreachable(effect)
    }
  }

  #say(text: string, tone: 'plain' | 'attention' | 'error' = 'plain'): void {
    this.#take({ type: 'performed', text, tone })
  }

  async #edit({ purpose, hold, octets }: Extract<Effect, { type: 'edit' }>): Promise<void> {
    if (this.#editor !== null) return
    const { input, environment } = this.#options
    const text = editorText(octets)
    this.#screen.suspend()
    this.#editor = openEditor(text.octets, {
      environment,
      stdio: input === process.stdin ? 'inherit' : 'ignore',
    })
    try {
      const left = await this.#editor.left
      this.#resume()
      this.#take({ type: 'edited', purpose, hold, octets: text.restore(left) })
    } catch (error) {
      this.#resume()
      this.#say(wordsOf(error), 'error')
    }
  }

  #resume(): void {
    this.#editor = null
    if (!this.#hasLeft) this.#screen.resume()
  }

  #copy(text: string, what: string): void {
    if (this.#screen.copy(text)) this.#say(`copied ${what}, if the terminal allows it (OSC 52)`)
    else
      this.#say(
        `${what} is longer than the ${CLIPBOARD_OCTETS} octets that a terminal's clipboard takes`,
        'error',
      )
  }

  async #writeFile({ name, octets, what }: Extract<Effect, { type: 'write-file' }>): Promise<void> {
    const path = name.startsWith('~/') ? join(homedir(), name.slice(2)) : name
    try {
      await writeFile(path, octets, { flag: 'wx', mode: 0o600 })
      this.#say(`wrote ${what} to ${name}, ${octets.length} octets`)
    } catch (error) {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
      this.#say(isThere ? `${name} exists already, and was left as it is` : wordsOf(error), 'error')
    }
  }

  #suspend(): void {
    this.#screen.suspend()
    const stopJob = this.#options.stopJob ?? (() => process.kill(0, 'SIGTSTP'))
    stopJob()
    setTimeout(() => {
      if (this.#hasLeft) return
      this.#screen.resume()
      this.#isDirty = true
      this.#draw()
    }, RESUME_MS)
  }

  /** Has the terminal restored at every end of the process. */
  #watchProcess(): () => void {
    const end = (): void => this.#leave()
    const hangUp = (): void => this.#hangUp()
    // Ctrl-C while an editor runs is the editor's.
    const interrupt = (): void => {
      if (this.#editor === null) this.#leave()
    }
    const restore = (): void => {
      this.#editor?.abandon()
      this.#screen.restore()
    }
    const continued = (): void => {
      if (this.#editor !== null) return
      this.#screen.resume()
      this.#isDirty = true
      this.#draw()
    }
    process.on('SIGTERM', end).on('SIGHUP', hangUp).on('SIGQUIT', end).on('SIGINT', interrupt)
    process.on('SIGCONT', continued)
    process.on('exit', restore)
    // A monitor changes nothing of what happens to the error, so that it is told on a terminal that can be read.
    process.on('uncaughtExceptionMonitor', restore)
    return () => {
      process.off('SIGTERM', end).off('SIGHUP', hangUp).off('SIGQUIT', end).off('SIGINT', interrupt)
      process.off('SIGCONT', continued)
      process.off('exit', restore)
      process.off('uncaughtExceptionMonitor', restore)
    }
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function unreachable(value: never): never {
  throw new Error(`not handled: ${String(value)}`)
}
