/** Waits for something outside this process, which nothing tells of. */
import { setTimeout as pause } from 'node:timers/promises'

export interface Patience {
  readonly what: string
  readonly withinMs: number
  readonly everyMs?: number
  /** Ends the waiting early: what there is to wait for cannot come any more. */
  readonly hopeless?: () => string | undefined
}

/** Asks until the answer is yes; rejects, naming what was waited for and why the last answer was no. */
export const eventually = async (ask: () => Promise<boolean>, patience: Patience): Promise<void> => {
  const { what, withinMs, everyMs = 50, hopeless = () => undefined } = patience
  const untilMs = performance.now() + withinMs
  let reason = ''
  for (;;) {
    try {
      if (await ask()) return
      reason = ''
    } catch (error) {
      reason = `: ${error instanceof Error ? error.message : String(error)}`
    }
    const end = hopeless()
    if (end !== undefined) throw new Error(`${what}: ${end}`)
    if (performance.now() > untilMs) throw new Error(`waited ${withinMs} ms in vain for ${what}${reason}`)
    await pause(everyMs)
  }
}
