/** Keeps this process's lease, and takes over what processes held whose lease ran out. On a database of one process nothing is renewed. */
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Workers } from './workers.ts'

export interface LeaseKeeperOptions {
  readonly workers: Workers
  readonly bus: Bus
  readonly clock: Clock
  readonly leaseMs: number
  /** Takes over what those processes held; they are forgotten afterwards. */
  takeOver(workerIds: readonly string[]): Promise<void>
  /** Others took over what this process holds: it slept past its lease. */
  onLost(): void
  readonly onError: (error: unknown) => void
}

export interface LeaseKeeper {
  /** Renews the lease from now on. */
  start(): void
  /** Takes over what dead processes held, now and from now on. For one process at a time; others do no harm. */
  readonly takeOver: { start(): Promise<void>; stop(): void }
  /** Throws when the lease has not been renewed in time: what this process holds may be somebody else's. */
  assertHeld(): void
  /** Lets go of what this process holds, so that others go on with it at once. */
  stop(): Promise<void>
}

/** How often a lease is renewed and others are looked at, within the time of one lease. */
const LOOKS_PER_LEASE = 3
/** The same after a failure. */
const TRIES_PER_LEASE = 15
/** How often those who ended without a word are looked for: much sooner than a lease runs out. */
const GONE_EVERY_MS = 500
const LEFT = 'workers:left'

export const makeLeaseKeeper = (options: LeaseKeeperOptions): LeaseKeeper => {
  const { workers, bus, clock, leaseMs, takeOver, onLost, onError } = options
  let disarm = (): void => {}
  let isStopped = false
  let takesOver = false
  let renewedMs = clock.now()
  let patientUntilMs = 0

  /** While the database was away nobody could renew: the others are given the time of a lease to say that they live. */
  const isLate = (): boolean => !workers.isAlone && clock.now() - renewedMs > leaseMs
  const isPatient = (): boolean => isLate() || clock.now() < patientUntilMs

  /** Known to be gone, and what they held not taken over yet: the bus names nobody twice once it is declared. */
  const unfinished = new Set<string>()

  const takeOverDead = async (gone: readonly string[] = []): Promise<void> => {
    for (const id of gone) unfinished.add(id)
    const late = isPatient() ? [] : await workers.dead()
    const dead = [...new Set([...gone, ...late])]
    if (dead.length === 0) return
    // First of all, so that nobody hands them anything more.
    await bus.declareGone(dead)
    await takeOver(dead)
    await workers.forget(dead)
    for (const id of dead) unfinished.delete(id)
  }

  let disarmGone = (): void => {}
  const watchGone = (): void => {
    disarmGone()
    if (isStopped || !takesOver || !bus.isShared) return
    disarmGone = clock.after(GONE_EVERY_MS, async () => {
      try {
        const gone = [...new Set([...unfinished, ...(await bus.gone())])]
        if (gone.length > 0 && takesOver) await takeOverDead(gone)
      } catch (error) {
        // Redis is away, or the database: the leases tell.
        onError(error)
      }
      watchGone()
    })
  }

  bus.on(LEFT, (id) => {
    if (takesOver && !isStopped) takeOverDead([id as string]).catch(onError)
  })

  const look = async (): Promise<void> => {
    if (isLate()) patientUntilMs = clock.now() + leaseMs
    try {
      if (!(await workers.renew())) {
        onLost()
        return
      }
      renewedMs = clock.now()
    } catch (error) {
      onError(error)
      // A short outage must not cost a third of the lease.
      arm(leaseMs / TRIES_PER_LEASE)
      return
    }
    arm()
    if (takesOver) await takeOverDead().catch(onError)
  }

  const arm = (afterMs = leaseMs / LOOKS_PER_LEASE): void => {
    if (!isStopped && !workers.isAlone) disarm = clock.after(afterMs, () => void look())
  }

  return {
    start() {
      renewedMs = clock.now()
      arm()
    },
    assertHeld() {
      if (workers.isAlone || clock.now() - renewedMs <= leaseMs) return
      throw new Error(`the lease of this process was last renewed ${clock.now() - renewedMs} ms ago`)
    },
    takeOver: {
      async start() {
        takesOver = true
        watchGone()
        await takeOverDead()
      },
      stop() {
        takesOver = false
      },
    },
    async stop() {
      isStopped = true
      disarm()
      disarmGone()
      await workers.leave().catch(onError)
      bus.broadcast(LEFT, workers.id)
    },
  }
}
