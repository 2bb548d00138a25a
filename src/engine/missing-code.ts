/**
 * Runs that stopped for want of their code go on where it is loaded: at once where it is loaded later, and soon where another process has
 * stopped them meanwhile, one of yesterday's code say, to which a run of today's came while one after the other is replaced.
 */
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { RunRepository } from './repository.ts'
import type { Run } from './types.ts'

interface Code {
  readonly workflow: string
  readonly version: number
}

export interface MissingCodeOptions {
  readonly runs: Pick<RunRepository, 'stoppedForCode'>
  readonly bus: Bus
  readonly clock: Clock
  /** Continues a stopped run. */
  goOn(run: Run): Promise<void>
  readonly onError: (error: unknown) => void
}

export interface MissingCode {
  /** This process can carry runs of that version of a workflow. Resolves when those that waited for it go on. */
  loaded(workflow: string, version: number): Promise<void>
  /** Looks now and then, from now on. */
  start(): void
  stop(): void
}

const EVERY_MS = 10_000

export const makeMissingCode = ({ runs, bus, clock, goOn, onError }: MissingCodeOptions): MissingCode => {
  const known = new Map<string, Code>()
  let isStopped = false
  let disarm = (): void => {}

  const look = async (code: readonly Code[]): Promise<void> => {
    for (const run of await runs.stoppedForCode(code)) {
      try {
        await goOn(run)
      } catch (error) {
        // Another process has loaded the same, and was quicker.
        if (!isStaleWrite(error)) throw error
      }
    }
  }

  const arm = (): void => {
    if (isStopped) return
    disarm = clock.after(EVERY_MS, () => {
      look([...known.values()])
        .catch(onError)
        .finally(arm)
    })
  }

  return {
    loaded(workflow, version) {
      const code = { workflow, version }
      known.set(`${version} ${workflow}`, code)
      return look([code])
    },
    start() {
      // Whoever is alone has stopped them himself.
      if (bus.isShared) arm()
    },
    stop() {
      isStopped = true
      disarm()
    },
  }
}
