/** What a fire starts, as the scheduler sees it: a port, and its adapter over the engine and the tasks. */
import { type Engine, isFinal, type Run } from '../engine/index.ts'
import type { Task, TaskService } from '../tasks/index.ts'
import type { FireRequest, TargetRef } from './types.ts'

export interface StartRequest extends FireRequest {
  readonly tenantId: string
  readonly projectId: string | null
  /** A second start with the same key starts nothing: it answers with the first. */
  readonly idempotencyKey: string
}

/** `gone`: nobody knows of it any more. */
export type TargetState = 'open' | 'completed' | 'failed' | 'cancelled' | 'gone'

export interface Targets {
  start(request: StartRequest): Promise<TargetRef>
  stateOf(tenantId: string, ref: TargetRef): Promise<TargetState>
  /** Asks it to end; asked again, it ends at once. Harmless when it has ended. */
  cancel(tenantId: string, ref: TargetRef): Promise<void>
}

export interface EngineTargetsOptions {
  readonly engine: Pick<Engine, 'create' | 'cancel'> & { readonly runs: Pick<Engine['runs'], 'find'> }
  readonly tasks: Pick<TaskService, 'create' | 'cancel'> & { readonly tasks: Pick<TaskService['tasks'], 'find'> }
  readonly now: () => number
}

const stateOfRun = ({ status }: Run): TargetState => {
  if (!isFinal(status)) return 'open'
  return status === 'completed' || status === 'cancelled' ? status : 'failed'
}

const STATE_OF_TASK: Readonly<Record<Task['status'], TargetState>> = {
  scheduled: 'open',
  queued: 'open',
  running: 'open',
  waiting: 'open',
  completed: 'completed',
  failed: 'failed',
  dead: 'failed',
  cancelled: 'cancelled',
}

export const makeEngineTargets = ({ engine, tasks, now }: EngineTargetsOptions): Targets => ({
  async start({ target, timeoutMs, ...request }) {
    if (target.kind === 'task') {
      const deadlineAtMs = timeoutMs === null ? undefined : now() + timeoutMs
      const { task } = await tasks.create({ ...request, kind: target.name, deadlineAtMs })
      return { kind: 'task', id: task.id }
    }
    const { run } = await engine.create({
      ...request,
      kind: target.kind,
      target: target.name,
      version: target.version ?? undefined,
      timeoutMs: timeoutMs ?? undefined,
      by: request.idempotencyKey,
    })
    return { kind: 'run', id: run.id }
  },
  async stateOf(tenantId, { kind, id }) {
    if (kind === 'run') {
      const run = await engine.runs.find(tenantId, id)
      return run ? stateOfRun(run) : 'gone'
    }
    const task = await tasks.tasks.find(tenantId, id)
    return task ? STATE_OF_TASK[task.status] : 'gone'
  },
  async cancel(tenantId, { kind, id }) {
    try {
      await (kind === 'run' ? engine : tasks).cancel(tenantId, id)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (typeof code !== 'string' || !OVER.has(code)) throw error
    }
  },
})

const OVER: ReadonlySet<string> = new Set(['run_finished', 'run_not_found', 'task_not_open', 'task_not_found'])
