/** The rules in memory, as the admission of work asks for them: for each job, so every answer is a few look-ups. */
import type { Partition } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import type { Limits } from '../platform/queue/window.ts'
import { isEmpty, isPause, nameOf, type QueueRule, type RulePlace } from './types.ts'

const NO_LIMITS: Limits = {}
const ANY_KEY = '*'
const CHANGES_MAX = 10_000

export interface RuleBook extends QueueRules {
  /** Instead of all that were known. */
  replace(rules: readonly QueueRule[]): void
  /** One rule as it is now, unless a later one is known. */
  set(rule: QueueRule): void
  /** When the rule of a place was last changed, as far as is known here; also one that is gone. */
  changedMs(place: RulePlace): number
}

export const makeRuleBook = (): RuleBook => {
  let rules = new Map<string, QueueRule>()
  /** Tenants that have any rule at all: most have none. */
  let tenants = new Set<string>()
  /** When each was last changed, also those that are gone: what is told late must not bring them back. */
  const changes = new Map<string, number>()
  const listeners: (() => void)[] = []

  const get = (tenantId: string, partition: Partition | '', key = ''): QueueRule | undefined =>
    rules.get(nameOf({ tenantId, partition, key }))

  const limitsOf = (tenantId: string, partition: Partition, key: string): Limits => {
    if (!tenants.has(tenantId)) return NO_LIMITS
    const own = get(tenantId, partition, key)
    const all = get(tenantId, '', key)
    const concurrency = own?.concurrency ?? all?.concurrency ?? undefined
    const rate = own?.rate ?? all?.rate ?? undefined
    return concurrency === undefined && rate === undefined ? NO_LIMITS : { concurrency, rate }
  }

  const keyLimits = (tenantId: string, partition: Partition, key: string | undefined): Limits => {
    if (key === undefined || !tenants.has(tenantId)) return NO_LIMITS
    const hasOwn = get(tenantId, partition, key) !== undefined || get(tenantId, '', key) !== undefined
    return limitsOf(tenantId, partition, hasOwn ? key : ANY_KEY)
  }

  const isPaused = (partition: Partition, tenantId: string): boolean => {
    if (rules.size === 0) return false
    const places = [get('', partition), get(tenantId, partition), get(tenantId, '')]
    return places.some((rule) => rule !== undefined && isPause(rule.paused))
  }

  const weightOf = (tenantId: string): number => get(tenantId, '')?.weight ?? 1

  const changedMs = (place: RulePlace): number => {
    const name = nameOf(place)
    return Math.max(rules.get(name)?.updatedAtMs ?? 0, changes.get(name) ?? 0)
  }

  const tell = (): void => {
    tenants = new Set([...rules.values()].map((rule) => rule.tenantId))
    for (const listener of listeners) listener()
  }

  return {
    entrant({ id, tenantId, partition, key }) {
      if (isPaused(partition, tenantId)) return undefined
      return {
        ...{ id, tenantId, key, weight: weightOf(tenantId) },
        limits: limitsOf(tenantId, partition, ''),
        keyLimits: keyLimits(tenantId, partition, key),
      }
    },
    isPaused,
    isFree: (partition, tenantId, key) =>
      !isPaused(partition, tenantId) &&
      limitsOf(tenantId, partition, '') === NO_LIMITS &&
      keyLimits(tenantId, partition, key) === NO_LIMITS,
    weightOf,
    mostOf(partition, tenantId) {
      const { concurrency, rate } = limitsOf(tenantId, partition, '')
      return Math.min(concurrency ?? Number.POSITIVE_INFINITY, rate?.count ?? Number.POSITIVE_INFINITY)
    },
    onChange: (listener) => void listeners.push(listener),
    changedMs,
    replace(given) {
      const next = new Map(given.map((rule) => [nameOf(rule), rule]))
      const isSame =
        next.size === rules.size && [...next].every(([name, rule]) => rules.get(name)?.updatedAtMs === rule.updatedAtMs)
      rules = next
      if (changes.size > CHANGES_MAX) changes.clear()
      if (!isSame) tell()
    },
    set(rule) {
      const name = nameOf(rule)
      if (rule.updatedAtMs < changedMs(rule)) return
      changes.set(name, rule.updatedAtMs)
      if (isEmpty(rule)) rules.delete(name)
      else rules.set(name, rule)
      tell()
    },
  }
}
