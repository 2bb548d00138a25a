/** What a tenant may use. */

/** Zero: no limit. */
export interface TenantLimits {
  /** Requests a minute, over all gateways: of the tenant, and of each of its keys. */
  readonly requestsPerMinute: number
  readonly requestsPerMinutePerKey: number
  /** Requests under way at a time, per gateway. */
  readonly requestsUnderWay: number
  /** Per day, in UTC. */
  readonly runsPerDay: number
  readonly tasksPerDay: number
  readonly tokensPerDay: number
  /** Millionths of the currency of the prices. */
  readonly costPerDay: number
  /** Bytes of inputs, outputs and steps written. */
  readonly storagePerDay: number
}
