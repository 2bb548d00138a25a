/** The HTTP server of a process: the whole API where it plays the gateway; health and figures everywhere. */
import { makeAgentRoutes } from '../agents/index.ts'
import { type FailedSignIns, makeAuditHooks, makeAuditRoutes, makeFailedSignIns } from '../audit/index.ts'
import { makeNotificationRoutes } from '../notifications/index.ts'
import { makeCalmRead } from '../platform/calm-read.ts'
import { systemClock } from '../platform/clock.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { type HttpServer, makeHttpServer, type Routes } from '../platform/http/server.ts'
import { makeHealthRoutes, makeMetrics } from '../platform/telemetry/metrics.ts'
import { makeQueueRoutes } from '../queues/index.ts'
import { makeScheduleRoutes } from '../scheduler/index.ts'
import { makeSecretRoutes } from '../secrets/index.ts'
import { makeSkillRoutes } from '../skills/index.ts'
import { makeTaskRoutes } from '../tasks/index.ts'
import { makeLimitRoutes, makeTenantRoutes } from '../tenants/index.ts'
import { makeRunRoutes, makeWorkflowRoutes } from '../workflows/index.ts'
import type { Foundation, Services } from './services.ts'

const VERSION = '0.1.0'

/** What the database has of a partition, in whichever domain its work lies. */
const backlogOf =
  ({ engine, tasks }: Services): Parameters<typeof makeQueueRoutes>[0]['backlog'] =>
  async (partition, owner) => {
    if (partition === 'tasks' || partition === 'notifications') return tasks.tasks.waiting(partition, owner)
    if (partition === 'scheduler') return { queued: 0, dead: 0 }
    return { queued: await engine.runs.countQueued(partition === 'agents' ? 'agent' : 'workflow', owner), dead: 0 }
  }

const apiRoutes = (
  { config, hub, db, audit, queue, window }: Foundation,
  services: Services,
  failedSignIns: FailedSignIns,
): Routes[] => {
  const { engine, tasks, workflows, agents, skills, schedules, notifications, tenants, secrets, rotation } = services
  const { gateway, queues } = services
  const log = makeEventLog(db)
  return [
    makeAuditHooks(audit, failedSignIns),
    makeRunRoutes({ engine, log, hub, payloadLimitBytes: config.PAYLOAD_LIMIT_BYTES }),
    makeQueueRoutes({
      ...{ queues, queue, window },
      operatorId: () => services.owner.tenantId,
      backlog: backlogOf(services),
    }),
    makeTaskRoutes({ tasks, log, hub, now: systemClock.now }),
    makeWorkflowRoutes(workflows),
    makeAgentRoutes(agents),
    makeSkillRoutes(skills),
    makeScheduleRoutes(schedules),
    makeNotificationRoutes(notifications),
    makeTenantRoutes(tenants),
    makeLimitRoutes(gateway),
    makeSecretRoutes({ secrets, rotation }),
    makeAuditRoutes(audit),
  ]
}

const metricsOf = ({ db, hub }: Foundation, { engine, tasks, schedules, gateway, retention }: Services) => {
  const metrics = makeMetrics()
  // Of the whole installation, read from the database: whoever scrapes often is not to keep it busy.
  const counts = (name: string, help: string, label: string, read: () => Promise<Record<string, number>>): void =>
    metrics.gaugeBy(name, help, label, makeCalmRead(systemClock, read))
  counts('aidos_tasks', 'Tasks that are not over, by status.', 'status', tasks.tasks.countOpen)
  counts('aidos_runs', 'Runs that are not over, by status.', 'status', engine.runs.countOpen)
  counts('aidos_dead_letters', 'Dead letters by reason.', 'reason', tasks.tasks.countDeadByReason)
  metrics.counterBy(
    'aidos_events_total',
    'What happened by this process since its start, by type of event: task.completed, run.failed and so on.',
    'type',
    () => hub.published,
  )
  metrics.gauge(
    'aidos_dead_letters_redriven',
    'Dead letters started again by redrives of many, by this process since its start.',
    () => tasks.redrives.redriven,
  )
  metrics.gauge('aidos_runs_live', 'Runs in memory.', () => engine.stats.live)
  metrics.gauge('aidos_tasks_active', 'Attempts under way here.', () => tasks.active)
  const { commitStats } = db
  metrics.gauge(
    'aidos_commit_transactions',
    'Transactions of the group commit since the start.',
    () => commitStats.transactions,
  )
  metrics.gauge('aidos_commit_units', 'Units that those transactions carried.', () => commitStats.units)
  metrics.gauge('aidos_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss())
  schedules.addMetrics(metrics)
  gateway.addMetrics(metrics)
  retention.addMetrics(metrics)
  return metrics
}

export interface ServerOptions {
  readonly servesApi: boolean
  /** Throws with the reason when this process cannot do its work. */
  ready(): Promise<void>
}

export const makeAppServer = (
  foundation: Foundation,
  services: Services,
  { servesApi, ready }: ServerOptions,
): Promise<HttpServer> => {
  const { config, log, makeId } = foundation
  const operatorId = () => services.owner.tenantId
  const failedSignIns = makeFailedSignIns({ db: foundation.db, clock: systemClock, makeId, log, operatorId })
  const metrics = metricsOf(foundation, services)
  metrics.gaugeBy(
    'aidos_sign_ins_failed',
    'Sign-ins that failed here: written to the audit log, or passed over as there were too many.',
    'entry',
    async () => failedSignIns.counted,
  )
  return makeHttpServer({
    log,
    makeId,
    bodyLimitBytes: config.BODY_LIMIT_BYTES,
    version: VERSION,
    authenticate: services.tenants.authenticate,
    ...services.gateway.http,
    routes: [
      makeHealthRoutes({ metrics, ready }),
      ...(servesApi ? apiRoutes(foundation, services, failedSignIns) : []),
    ],
  })
}
