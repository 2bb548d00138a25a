/** Waits for a server that is away: tells once what it waits for and where, tries again until it is there, and ends at once when told to. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineErrors, messageOf } from '../platform/errors.ts'
import type { Log } from '../platform/log.ts'

export const waitErrors = defineErrors({
  /** It answers, and does not take this process in: waiting would not help. */
  server_refuses: { status: 500 },
  server_away: { status: 503, retryable: true },
  start_stopped: { status: 503 },
})

/** How a process waits, whatever for. */
export interface Patience {
  readonly log: Pick<Log, 'warn' | 'info'>
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
  /** How long it waits; without it as long as it takes. */
  readonly withinMs?: number
  /** Told the reason at each failure. */
  readonly onAway?: (reason: string) => void | Promise<void>
  readonly now?: () => number
  /** Keeps the process alive meanwhile. */
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

export interface Wanted {
  readonly what: string
  /** Without anything secret. */
  readonly where: string
  attempt(signal?: AbortSignal): Promise<unknown>
  /** Whether trying again may help. */
  isAway(error: unknown): boolean
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000

const pauseOf = (ms: number, signal?: AbortSignal): Promise<unknown> => sleep(ms, undefined, signal ? { signal } : {})

/** Some errors of the network have nothing but a code. */
const reasonOf = (error: unknown): string => messageOf(error) || String((error as { code?: unknown }).code)

/** Throws `server_refuses`, `server_away` when the time is over, and `start_stopped` when told to stop. */
export const waitFor = async (wanted: Wanted, patience: Patience): Promise<void> => {
  const { what, where } = wanted
  const { log, signal, withinMs = Number.POSITIVE_INFINITY, onAway, now = Date.now, pause = pauseOf } = patience
  const stopped = (): Error => waitErrors.start_stopped(`stopped while it waited for ${what} at ${where}`)
  const beganMs = now()
  for (let tries = 0; ; tries++) {
    if (signal?.aborted) throw stopped()
    try {
      await wanted.attempt(signal)
      if (tries > 0) log.info({ waitedMs: now() - beganMs }, `${what} is there`)
      return
    } catch (cause) {
      if (signal?.aborted) throw stopped()
      const reason = reasonOf(cause)
      if (!wanted.isAway(cause)) throw waitErrors.server_refuses(`${what} at ${where}: ${reason}`, { cause })
      const leftMs = withinMs - (now() - beganMs)
      if (leftMs <= 0) throw waitErrors.server_away(`${what} at ${where} cannot be reached: ${reason}`, { cause })
      if (tries === 0) log.warn({ reason }, `waiting for ${what} at ${where}`)
      await onAway?.(`waiting for ${what} at ${where}: ${reason}`)
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS, leftMs)
      await pause(pauseMs, signal).catch(() => {})
    }
  }
}
