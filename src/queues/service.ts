/** Rules of the queues: set by tenants for themselves and by the operator, in effect in all processes when the answer goes out. */
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { Json } from '../platform/json.ts'
import { PARTITIONS, type Partition } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import type { Rate } from '../platform/queue/window.ts'
import { queueErrors } from './errors.ts'
import { makeQueueRepository, type RulePage } from './repository.ts'
import { makeRuleBook } from './rule-book.ts'
import { isPause, NO_SETTINGS, type QueueRule, type RulePlace, type RuleSettings } from './types.ts'

export interface QueueServiceOptions {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** Who asks; `isOperator`: for the installation as a whole. */
export interface RuleAuthor {
  readonly tenantId: string
  readonly isOperator: boolean
}

/** What is left out stays as it is; null takes a limit away. */
export interface RuleChanges {
  readonly paused?: boolean | undefined
  readonly concurrency?: number | null | undefined
  readonly rate?: Rate | null | undefined
  readonly weight?: number | null | undefined
}

const RULES = 'queues:rules'
/** Messages can be lost: what they told of is found in the database after so long at most. */
const REREAD_MS = 30_000
/** Rules are held in memory by every process. */
const RULES_MAX = 1000

export const partitionNamed = (name: string): Partition => {
  const found = PARTITIONS.find((partition) => partition === name)
  if (found) return found
  throw queueErrors.queue_unknown(`there is no queue "${name}"; the queues are ${PARTITIONS.join(', ')}`)
}

const checkAuthor = (author: RuleAuthor, place: RulePlace, changes: RuleChanges): void => {
  if (author.isOperator) return
  if (place.tenantId !== author.tenantId) {
    throw queueErrors.operator_only('only the operator changes the queues of all tenants, or of another one')
  }
  const setsLimits = [changes.concurrency, changes.rate, changes.weight].some((value) => value !== undefined)
  if (setsLimits && place.key === '') {
    throw queueErrors.operator_only(
      'the limits of a tenant are set by the operator; you can set those of your limit keys',
    )
  }
}

const checkPlace = ({ tenantId, key }: RulePlace, changes: RuleChanges): void => {
  const given = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  const refuse = (what: string, right: string): never => {
    throw queueErrors.queue_rule_invalid(`${what} cannot have ${given.join(', ')}; it can have ${right}`)
  }
  if (given.length === 0) throw queueErrors.queue_rule_invalid('give paused, concurrency, rate or weight')
  if (tenantId === '' && given.some((name) => name !== 'paused')) refuse('a queue of all tenants', 'paused')
  if (key !== '' && given.some((name) => name === 'paused' || name === 'weight'))
    refuse('a limit key', 'concurrency and rate')
}

export const makeQueueService = ({ db, bus, clock, onError }: QueueServiceOptions) => {
  const book = makeRuleBook()
  let edition = 0
  let disarm = (): void => {}
  let isStopped = false

  const load = async (): Promise<void> => {
    for (let before = -1; before !== edition; ) {
      before = edition
      const rules = await makeQueueRepository(db.primary).all()
      // What came by message while this was read may be newer.
      if (before === edition) book.replace(rules)
    }
  }

  const apply = (rule: QueueRule): void => {
    edition++
    book.set(rule)
  }
  bus.on(RULES, (message) => apply(message as unknown as QueueRule))
  bus.onGap(() => void load().catch(onError))

  const rereadLater = (): void => {
    disarm = clock.after(REREAD_MS, () => {
      void load()
        .catch(onError)
        .finally(() => {
          if (!isStopped) rereadLater()
        })
    })
  }

  const pauseEvent = (author: RuleAuthor, before: RuleSettings, after: QueueRule) => {
    if (isPause(before.paused) === isPause(after.paused)) return undefined
    const of = { projectId: null, atMs: after.updatedAtMs }
    const { tenantId, partition } = after
    const isPaused = isPause(after.paused)
    if (tenantId === '') {
      const type = isPaused ? 'partition.paused' : 'partition.resumed'
      return { ...of, tenantId: author.tenantId, type, data: { partition } }
    }
    const type = isPaused ? 'tenant.paused' : 'tenant.resumed'
    return { ...of, tenantId, type, data: partition === '' ? {} : { partition } }
  }

  const merge = (author: RuleAuthor, before: RuleSettings, changes: RuleChanges): RuleSettings => {
    const { paused } = changes
    const pauses = { ...before.paused }
    if (paused !== undefined && author.isOperator) pauses.byOperator = paused
    // Whoever is both lifts both.
    if (paused !== undefined && (!author.isOperator || !paused)) pauses.byTenant = paused
    return {
      paused: pauses,
      concurrency: changes.concurrency === undefined ? before.concurrency : changes.concurrency,
      rate: changes.rate === undefined ? before.rate : changes.rate,
      weight: changes.weight === undefined ? before.weight : changes.weight,
    }
  }

  /** Undefined when somebody else has changed it meanwhile. */
  const trySave = (author: RuleAuthor, place: RulePlace, change: (before: RuleSettings) => RuleSettings) =>
    db.transaction(async (tx): Promise<QueueRule | undefined> => {
      const repository = makeQueueRepository(tx)
      const known = await repository.find(place)
      const before = known ?? NO_SETTINGS
      // Later than the one before it, which may be gone, whatever the clock says: the later one counts.
      const updatedAtMs = Math.max(clock.now(), (known?.updatedAtMs ?? 0) + 1, book.changedMs(place) + 1)
      const { tenantId, partition, key } = place
      const after: QueueRule = { tenantId, partition, key, ...change(before), updatedAtMs }
      if (!known && (await repository.countOf(tenantId)) >= RULES_MAX) {
        throw queueErrors.queue_rules_too_many(`a tenant can have ${RULES_MAX} rules; use "*" for all keys`)
      }
      if (!(await repository.save(after, known))) return undefined
      const event = pauseEvent(author, before, after)
      if (event) await writeEvent(tx, event)
      return after
    })

  const save = async (author: RuleAuthor, place: RulePlace, change: (before: RuleSettings) => RuleSettings) => {
    let rule = await trySave(author, place, change)
    while (!rule) rule = await trySave(author, place, change)
    apply(rule)
    await bus.ask(RULES, rule as unknown as Json)
    return rule
  }

  const checkTenant = async ({ tenantId }: RulePlace): Promise<void> => {
    if (tenantId === '' || (await makeQueueRepository(db.primary).tenantExists(tenantId))) return
    throw queueErrors.queue_tenant_not_found(`there is no tenant ${tenantId}`)
  }

  return {
    rules: book as QueueRules,
    /** Reads the rules; resolves when they hold. */
    async start() {
      await load()
      rereadLater()
    },
    stop() {
      isStopped = true
      disarm()
    },
    list: (tenantId: string, page: RulePage) => makeQueueRepository(db.primary).ofTenant(tenantId, page),
    /** In effect in every process that is alive when it resolves. */
    async set(author: RuleAuthor, place: RulePlace, changes: RuleChanges): Promise<QueueRule> {
      checkAuthor(author, place, changes)
      checkPlace(place, changes)
      await checkTenant(place)
      return save(author, place, (before) => merge(author, before, changes))
    },
    /** Takes away what the author may set; the operator takes away all. */
    async remove(author: RuleAuthor, place: RulePlace): Promise<void> {
      const changes = place.key === '' ? { paused: false } : { concurrency: null, rate: null }
      checkAuthor(author, place, author.isOperator ? {} : changes)
      const known = await makeQueueRepository(db.primary).find(place)
      if (!known) throw queueErrors.queue_rule_not_found('there is no such rule; see GET /v1/queues/rules')
      await save(author, place, (before) => (author.isOperator ? NO_SETTINGS : merge(author, before, changes)))
    },
    /** The pause of a partition as a whole. */
    async pausedPartitions(): Promise<ReadonlySet<Partition>> {
      const rules = await makeQueueRepository(db.primary).ofTenant('', { limit: PARTITIONS.length })
      return new Set(rules.flatMap(({ partition, paused }) => (partition && isPause(paused) ? [partition] : [])))
    },
  }
}

export type QueueService = ReturnType<typeof makeQueueService>
