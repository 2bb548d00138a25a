/** Load 5: SIGKILL of a process in the middle of a run of 40 steps, while another of its role lives and it is started again. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from '../../../cluster/eventually.ts'
import type { Role } from '../../../src/config.ts'
import { notedSteps, notedTasks } from '../../code/loads.ts'
import { atMost, type Figure, makeFigure } from '../../figure.ts'
import type { ClusterMeasure } from '../measure.ts'
import type { Stage } from '../stage.ts'

const STEPS = 40
const KILL_AFTER = 15
const WITHIN_MS = 120_000
/** Until what was under way elsewhere at the kill has left its line. */
const AFTERMATH_MS = 40

interface Line {
  readonly step: number
  readonly pid: number
}

const linesOf = async (file: string): Promise<Line[]> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => {
    const [step, pid] = line.split(' ')
    return { step: Number(step), pid: Number(pid) }
  })
}

/** Whose process carries the run, as the database says. */
const holderOf = async (stage: Stage, runId: string): Promise<string | undefined> => {
  const { rows } = await stage.watcher.query<{ worker_id: string | null }>('SELECT worker_id FROM runs WHERE id = $1', [
    runId,
  ])
  return rows[0]?.worker_id ?? undefined
}

/** By its log: each process tells its worker id when it is ready. */
const serviceOf = async ({ cluster }: Stage, workerId: string) => {
  for (const service of cluster.services) {
    if (service.child.isRunning && (await readFile(service.child.logFile, 'utf8')).includes(`"workerId":"${workerId}"`))
      return service
  }
  throw new Error(`no process is known by the worker id ${workerId}`)
}

const until = (what: string, isSo: () => Promise<boolean>): Promise<void> =>
  eventually(isSo, { what, withinMs: WITHIN_MS, everyMs: 5 })

const killOnce = async (stage: Stage, workflow: string, victim: Role, file: string) => {
  const { id } = await stage.post<{ id: string }>('/v1/runs', { workflow, input: { steps: STEPS, file } })
  await until('the steps before the kill', async () => (await linesOf(file)).length >= KILL_AFTER)
  const last = (await linesOf(file)).at(-1)
  const holder = victim === 'executor' ? undefined : await holderOf(stage, id)
  const service =
    holder === undefined
      ? stage.cluster.services.find(({ child }) => child.pid === last?.pid)
      : await serviceOf(stage, holder)
  if (!service) throw new Error(`nobody to kill: the last step was done by process ${last?.pid}`)
  const startMs = performance.now()
  service.child.signal('SIGKILL')
  await pause(AFTERMATH_MS)
  const reached = Math.max(...(await linesOf(file)).map(({ step }) => step))
  if (reached >= STEPS - 1) throw new Error('the run was over before the kill')
  await until('the next step', async () => (await linesOf(file)).some(({ step }) => step > reached))
  const seconds = (performance.now() - startMs) / 1000
  const isDone = `SELECT 1 FROM runs WHERE id = $1 AND status = 'completed'`
  await until('the end of the run', async () => (await stage.watcher.query(isDone, [id])).rows.length > 0)
  const lines = await linesOf(file)
  await service.ready()
  return { seconds, repeated: lines.length - new Set(lines.map(({ step }) => step)).size }
}

/** Who is killed: tasks are also done by the services of skills and notifications, which are away here. */
const CASES: readonly (readonly [workflow: string, way: string, victim: Role])[] = [
  [notedSteps.name, 'local steps, the process with the run killed', 'workflows'],
  [notedTasks.name, 'tasks, the process with the run killed', 'workflows'],
  [notedTasks.name, 'tasks, the executor killed', 'executor'],
]

export const kill: ClusterMeasure = {
  id: '5',
  about: `SIGKILL in the middle of a run of ${STEPS} steps, two processes of the role, restarted by their supervisor`,
  async run(stage) {
    await stage.set({ workflows: 2, executor: 2, skills: 0, notifications: 0 })
    const figures: Figure[] = []
    for (const [workflow, way, victim] of CASES) {
      const results = await stage.repeat((index) =>
        killOnce(stage, workflow, victim, join(stage.cluster.logs, `steps-${workflow}-${victim}-${index}.txt`)),
      )
      figures.push(
        makeFigure({
          ...{ load: '5', name: `${way}, until the next step`, unit: 's', aim: atMost(3) },
          values: results.map(({ seconds }) => seconds),
        }),
        makeFigure({
          ...{ load: '5', name: `${way}, most steps repeated`, unit: '', aim: atMost(1) },
          values: [Math.max(...results.map(({ repeated }) => repeated))],
        }),
      )
    }
    return { figures, notes: [] }
  },
}
