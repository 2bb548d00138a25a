/**
 * The time that tenants' own templates may take while all tenants' events are read one after the other: each has a share of it, so that
 * one tenant's heavy template cannot hold up what others are told.
 */

/** Of one look at a page of events. */
export interface Shares {
  /** Undefined, and nothing done, when the tenant has used up its share; the last piece of work may go beyond it. */
  within<T>(tenantId: string, work: () => T): { readonly value: T } | undefined
}

export interface ShareOptions {
  /** Milliseconds, on a clock that is never set. */
  readonly elapsed: () => number
  readonly shareMs: number
}

export const makeShares = ({ elapsed, shareMs }: ShareOptions): Shares => {
  const usedMs = new Map<string, number>()
  return {
    within(tenantId, work) {
      const before = usedMs.get(tenantId) ?? 0
      if (before >= shareMs) return undefined
      const sinceMs = elapsed()
      try {
        return { value: work() }
      } finally {
        usedMs.set(tenantId, before + elapsed() - sinceMs)
      }
    },
  }
}
