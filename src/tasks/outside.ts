/** Tasks that no executor does: a remote worker polls for them, or whoever holds their token answers. */
import type { Task, TaskSettings } from './types.ts'

const ACTIVITY = 'activity:'
const TOKEN = 'token:'
/** A task that is nothing but its token: it is answered, never done. */
export const TOKEN_KIND = 'token'

export const activityKind = (name: string): string => `${ACTIVITY}${name}`

export const isActivity = (kind: string): boolean => kind.startsWith(ACTIVITY)

/** Such a task waits from its birth. */
export const isOutside = (kind: string): boolean => kind === TOKEN_KIND || isActivity(kind)

/** The idempotency key under which a task is found by its token. */
export const keyOfToken = (token: string): string => `${TOKEN}${token}`
export const tokenOfKey = (key: string): string => key.slice(TOKEN.length)

/**
 * When a task that waits has waited too long, or null if it may wait for ever. The time-out counts from when the task was due, so
 * that an attempt before the wait is part of it; a heartbeat is missed from `heardAtMs` on, or not at all while that is undefined.
 */
export const waitDeadline = (
  { settings, runAtMs }: { readonly settings: TaskSettings; readonly runAtMs: number },
  heardAtMs: number | undefined,
): number | null => {
  const { timeoutMs, heartbeatMs } = settings
  const ends = [
    ...(timeoutMs === undefined ? [] : [runAtMs + timeoutMs]),
    ...(heartbeatMs === undefined || heardAtMs === undefined ? [] : [heardAtMs + heartbeatMs]),
  ]
  return ends.length === 0 ? null : Math.min(...ends)
}

/** Whether it is the whole time that is up, and not only a heartbeat that is missing. */
export const isTimedOut = ({ settings, runAtMs }: Task, nowMs: number): boolean =>
  settings.timeoutMs !== undefined && runAtMs + settings.timeoutMs <= nowMs
