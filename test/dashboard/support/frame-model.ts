/**
 * The frame's state in a test's hands: messages in, pictures out, no terminal.
 */
import type { Effect } from '../../../src/dashboard/effect.js'
import type { Size } from '../../../src/dashboard/frame.js'
import type { TerminalInput } from '../../../src/dashboard/keys.js'
import { initialModel, type Model, settled } from '../../../src/dashboard/model.js'
import type { Screens } from '../../../src/dashboard/open-screen.js'
import { previewed } from '../../../src/dashboard/preview.js'
import { rowText } from '../../../src/dashboard/spans.js'
import { type Message, update } from '../../../src/dashboard/update.js'
import { view } from '../../../src/dashboard/view.js'
import type { FromProxy, FromWatcher } from '../../../src/watch/protocol.js'
import { fakeScreens } from './fake-screens.js'
import { HELLO } from './fake-source.js'

export const START = Date.UTC(2026, 10, 20, 14, 2, 25)

/** A frame that a test works with. Each key comes a second after the one before, as typed by a person. */
export class FrameModel {
  model: Model
  readonly effects: Effect[] = []
  now = START

  constructor(
    given: { size?: Size; source?: 'live' | 'recording'; screens?: Screens; isUnicode?: boolean } = {},
  ) {
    this.model = initialModel({
      screens: given.screens ?? fakeScreens(),
      source: given.source ?? 'live',
      isUnicode: given.isUnicode ?? true,
      size: given.size ?? { columns: 80, rows: 24 },
      now: START,
      filter: null,
    })
  }

  /** A frame whose proxy has said what it says to a new watcher. */
  static greeted(given: ConstructorParameters<typeof FrameModel>[0] & { isFace?: boolean } = {}): FrameModel {
    const frame = new FrameModel(given)
    frame.say({ ...HELLO, isFace: given.isFace ?? false }, { type: 'snapshot-end' })
    return frame
  }

  take(message: Message): void {
    const { model, effects } = update(this.model, message, this.now)
    this.model = model
    this.effects.push(...effects)
  }

  say(...messages: readonly FromProxy[]): void {
    for (const message of messages) this.take({ type: 'from-proxy', message })
  }

  /** Presses keys by name, a second apart. */
  press(...names: readonly string[]): this {
    for (const name of names) {
      this.now += 1_000
      this.take({ type: 'inputs', inputs: [keyInput(name)] })
    }
    return this
  }

  /** Types text, a character a second. */
  type(text: string): this {
    return this.press(...[...text].map((character) => (character === ' ' ? 'space' : character)))
  }

  /** Keys that arrive at one moment. */
  burst(inputs: readonly TerminalInput[]): this {
    this.take({ type: 'inputs', inputs })
    return this
  }

  /** The picture, trailing blanks cut. */
  lines(): readonly string[] {
    this.model = previewed(settled(this.model))
    return view(this.model).rows.map((spans) => rowText(spans).trimEnd())
  }

  /** The line that says what happened. */
  status(): string {
    return this.lines().at(-2)?.trim() ?? ''
  }

  /** What the proxy was asked. */
  requests(): readonly FromWatcher[] {
    return this.effects.flatMap((effect) => (effect.type === 'request' ? [effect.message] : []))
  }
}

/** A key as the terminal would send it. */
export function keyInput(name: string): TerminalInput {
  if (name === 'space') return { type: 'key', name, text: ' ' }
  const capital = /^S-([a-z])$/.exec(name)?.[1]
  return { type: 'key', name, text: capital?.toUpperCase() ?? ([...name].length === 1 ? name : '') }
}
