/**
 * The screens that there are: the one place where a module of `screens/` is named.
 */
import { type ScreenKind, type Screens, screenKind } from './open-screen.js'
import type { ScreenId } from './screen-module.js'
import { heldScreen } from './screens/held.js'
import { heldItemScreen } from './screens/held-item.js'
import { logScreen } from './screens/log.js'
import { messageScreen } from './screens/message.js'
import { messagesScreen } from './screens/messages.js'
import { rulesScreen } from './screens/rules.js'
import { sessionScreen } from './screens/session.js'
import { sessionsScreen } from './screens/sessions.js'
import { statisticsScreen } from './screens/statistics.js'

/** Every screen, by id. */
export const SCREENS: Screens = new Map<ScreenId, ScreenKind>(
  [
    screenKind(sessionsScreen),
    screenKind(sessionScreen),
    screenKind(messagesScreen),
    screenKind(messageScreen),
    screenKind(rulesScreen),
    screenKind(heldScreen),
    screenKind(heldItemScreen),
    screenKind(statisticsScreen),
    screenKind(logScreen),
  ].map((kind) => [kind.id, kind]),
)
