/** What the gateway adds to every request: limits of callers and quotas of tenants, kept answers, load, traces, and figures of all that. */
import type { Config } from '../config.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { makeIdempotencyStore } from '../platform/http/idempotency-store.ts'
import { makeLoadWatch } from '../platform/http/load-shedding.ts'
import type { Traces } from '../platform/http/trace-context.ts'
import type { MakeId } from '../platform/ids.ts'
import { makeFallbackLimiter } from '../platform/limits/fallback-limiter.ts'
import { makeMemoryLimiter } from '../platform/limits/memory-limiter.ts'
import { costOf, type ModelTokens, makePriceList } from '../platform/limits/model-prices.ts'
import { makeQuotas, type Quotas, type QuotasOptions } from '../platform/limits/quotas.ts'
import { makeRedisLimiter } from '../platform/limits/redis-limiter.ts'
import type { UsageMeter } from '../platform/limits/usage.ts'
import type { Log } from '../platform/log.ts'
import type { RedisConnection } from '../platform/redis/connection.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import type { Targets } from '../scheduler/index.ts'
import { makeLimitsService, type TenantLimits } from '../tenants/index.ts'

export interface GatewayOptions {
  readonly config: Config
  readonly log: Log
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly box: SecretBox
  readonly meter: UsageMeter
  readonly redis: RedisConnection | undefined
  readonly traces: Traces
  readonly isRepeated: QuotasOptions['isRepeated']
}

const defaultsOf = (config: Config): TenantLimits => ({
  requestsPerMinute: config.RATE_LIMIT_TENANT_PER_MINUTE,
  requestsPerMinutePerKey: config.RATE_LIMIT_KEY_PER_MINUTE,
  requestsUnderWay: config.CONCURRENT_REQUESTS_TENANT,
  runsPerDay: config.QUOTA_RUNS_PER_DAY,
  tasksPerDay: config.QUOTA_TASKS_PER_DAY,
  tokensPerDay: config.QUOTA_TOKENS_PER_DAY,
  costPerDay: config.QUOTA_COST_PER_DAY,
  storagePerDay: config.QUOTA_STORAGE_PER_DAY,
})

export const makeGateway = (options: GatewayOptions) => {
  const { config, log, db, clock, makeId, box, meter, redis, traces, isRepeated } = options
  const limits = makeLimitsService({ db, clock, defaults: defaultsOf(config) })
  const local = makeMemoryLimiter({ clock })
  const shared = redis && makeFallbackLimiter({ shared: makeRedisLimiter({ redis: redis.client }), local, clock, log })
  const load = makeLoadWatch({
    requests: config.SHED_REQUESTS,
    lagMs: config.SHED_LAG_MS,
    memoryPercent: config.SHED_MEMORY_PERCENT,
  })
  const quotas = makeQuotas({
    meter,
    clock,
    isRepeated,
    async limitsOf(tenantId) {
      const { runsPerDay, tasksPerDay, tokensPerDay, costPerDay, storagePerDay } = await limits.of(tenantId)
      return { runs: runsPerDay, tasks: tasksPerDay, tokens: tokensPerDay, cost: costPerDay, storage: storagePerDay }
    },
  })
  const { MODEL_INPUT_PRICE: input, MODEL_OUTPUT_PRICE: output } = config
  const priceOf = makePriceList(config.MODEL_PRICES, { input, output, cachedInput: input })
  return {
    limits,
    quotas,
    /** To be told of every answer of a model. */
    countTokens: (tenantId: string, usage: ModelTokens & { totalTokens: number }, model: string): Promise<void> =>
      meter.add(tenantId, { tokens: usage.totalTokens, cost: costOf(priceOf(model), usage) }),
    /** To be asked before every call of a model: runs under way end where tokens or cost are used up. */
    checkModelQuota: (tenantId: string): Promise<void> => quotas.check({ tenantId, projectId: null, wanted: 'turn' }),
    /** For the HTTP server. */
    http: {
      corsOrigins: config.CORS_ORIGINS,
      trustedProxies: config.TRUSTED_PROXIES,
      drainMs: config.DRAIN_MS,
      graceMs: config.SHUTDOWN_GRACE_MS,
      load,
      traces,
      quotas,
      idempotency: makeIdempotencyStore({ db, clock, makeId, box }),
      limits: {
        limiter: shared ?? local,
        async of(tenantId: string) {
          const own = await limits.of(tenantId)
          return {
            tenantPerMinute: own.requestsPerMinute,
            keyPerMinute: own.requestsPerMinutePerKey,
            underWay: own.requestsUnderWay,
          }
        },
      },
    },
    addMetrics({ gauge }: Metrics): void {
      gauge('aidos_http_requests_under_way', 'Requests under way.', () => load.underWay)
      gauge('aidos_http_requests_shed', 'Requests refused for load since the start.', () => load.shed)
      gauge('aidos_rate_limits_local', '1 while the shared rate limits are away.', () => (shared?.isLocal ? 1 : 0))
      gauge(
        'aidos_rate_limits_local_decisions',
        'Requests counted by this process alone since the start.',
        () => shared?.localDecisions ?? 0,
      )
    },
  }
}

/** Schedules are held by the quotas of their tenant, too: a fire that may not start is told as one that could not. */
export const withQuota = (targets: Targets, quotas: Quotas): Targets => ({
  ...targets,
  async start(request) {
    const { tenantId, projectId, idempotencyKey, target } = request
    await quotas.check({ tenantId, projectId, idempotencyKey, wanted: target.kind === 'task' ? 'task' : 'run' })
    return targets.start(request)
  },
})
