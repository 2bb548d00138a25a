/**
 * What tenants use, counted by the day in the very transaction of what they use it for: it can neither be lost nor counted for work that
 * was refused. Each process has a row of its own per tenant and day, so that counting makes nobody wait.
 */
import type { Clock } from '../clock.ts'
import { type Database, decorateDatabase } from '../db/database.ts'
import type { Unit } from '../db/group-commit.ts'
import type { RowStatement, Write } from '../db/statements.ts'

/** Of one day in UTC. `cost` is in millionths of the currency, `storage` in characters of what was written. */
export interface Usage {
  runs: number
  tasks: number
  tokens: number
  cost: number
  storage: number
}

export type Metric = keyof Usage

const METRICS = ['runs', 'tasks', 'tokens', 'cost', 'storage'] as const satisfies readonly Metric[]

const DAY_MS = 86_400_000
export const dayOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS)
export const endOfDayMs = (nowMs: number): number => (dayOf(nowMs) + 1) * DAY_MS

export const noUsage = (): Usage => ({ runs: 0, tasks: 0, tokens: 0, cost: 0, storage: 0 })

const KEYS = ['tenant_id', 'day', 'worker_id'] as const
const columns = [...KEYS, ...METRICS]
const conflict = `ON CONFLICT (${KEYS.join(', ')}) DO UPDATE SET ${METRICS.map((m) => `${m} = usage.${m} + excluded.${m}`).join(', ')}`

/** Adds to the row of the day. On PostgreSQL the rows of a group are added up first: a statement may touch a row only once. */
const addUsage: RowStatement = {
  name: 'add_usage',
  types: ['text', 'bigint', 'text', ...METRICS.map(() => 'bigint' as const)],
  keyCount: 0,
  movesFence: false,
  sqlite: `INSERT INTO usage (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) ${conflict}`,
  postgres: `INSERT INTO usage (${columns.join(', ')}) SELECT ${KEYS.join(', ')}, ${METRICS.map((m) => `sum(${m})::bigint`).join(', ')}
    FROM unnest($1::text[], $2::bigint[], $3::text[], ${METRICS.map((_, i) => `$${i + 4}::bigint[]`).join(', ')}) AS v(${columns.join(', ')})
    GROUP BY ${KEYS.join(', ')} ORDER BY ${KEYS.join(', ')} ${conflict}`,
}

/** The statements that bring a tenant's things into being: what each counts for, and where its row has the tenant. */
const COUNTED: Readonly<Record<string, { readonly tenantAt: number; readonly metric?: 'runs' | 'tasks' }>> = {
  insert_runs: { tenantAt: 1, metric: 'runs' },
  insert_tasks: { tenantAt: 1, metric: 'tasks' },
  insert_journal: { tenantAt: 2 },
  insert_signals: { tenantAt: 1 },
}

const usageIn = (writes: readonly Write[]): Map<string, Usage> => {
  const byTenant = new Map<string, Usage>()
  for (const { statement, row } of writes) {
    const rule = COUNTED[statement.name]
    if (!rule) continue
    const tenantId = row[rule.tenantAt] as string
    let usage = byTenant.get(tenantId)
    if (!usage) {
      usage = noUsage()
      byTenant.set(tenantId, usage)
    }
    if (rule.metric) usage[rule.metric]++
    for (const value of row) if (typeof value === 'string') usage.storage += value.length
  }
  return byTenant
}

export interface UsageMeter {
  /** The same database, counting what its hot writes bring into being. */
  readonly db: Database
  /** What was used without a row of its own: tokens of a model and their cost. */
  add(tenantId: string, used: Partial<Usage>): Promise<void>
  /** The usage of a day, by all processes. */
  read(tenantId: string, day: number): Promise<Usage>
  /** Told of what this process has counted, after the commit. */
  onCounted(listener: (tenantId: string, used: Usage) => void): void
}

export interface UsageMeterOptions {
  readonly db: Database
  readonly clock: Clock
  readonly workerId: string
}

type Tables = { usage: Usage & { tenant_id: string; day: number; worker_id: string } }

export const makeUsageMeter = ({ db, clock, workerId }: UsageMeterOptions): UsageMeter => {
  const listeners: ((tenantId: string, used: Usage) => void)[] = []
  const tell = (tenantId: string, used: Usage): void => {
    for (const listener of listeners) listener(tenantId, used)
  }
  const writeOf = (tenantId: string, used: Usage): Write => ({
    statement: addUsage,
    row: [tenantId, dayOf(clock.now()), workerId, ...METRICS.map((metric) => used[metric])],
  })

  const commit = async (unit: Unit): Promise<void> => {
    const used = usageIn(unit.writes)
    if (used.size === 0) return db.commit(unit)
    const counts = [...used].map(([tenantId, usage]) => writeOf(tenantId, usage))
    await db.commit({ ...unit, writes: [...unit.writes, ...counts] })
    for (const [tenantId, usage] of used) tell(tenantId, usage)
  }

  return {
    db: decorateDatabase(db, { commit }),
    async add(tenantId, more) {
      const used = { ...noUsage(), ...more }
      await db.commit({ writes: [writeOf(tenantId, used)] })
      tell(tenantId, used)
    },
    async read(tenantId, day) {
      const rows = await db.primary
        .withTables<Tables>()
        .selectFrom('usage')
        .select(METRICS)
        .where('tenant_id', '=', tenantId)
        .where('day', '=', day)
        .execute()
      const sum = noUsage()
      for (const row of rows) for (const metric of METRICS) sum[metric] += row[metric]
      return sum
    },
    onCounted: (listener) => void listeners.push(listener),
  }
}
