/** Load 4: what the cluster asks of its servers while nobody asks anything of it. */
import { setTimeout as pause } from 'node:timers/promises'
import { atMost, type Figure, makeFigure } from '../../figure.ts'
import { residentMb } from '../../support/proc.ts'
import { median } from '../../support/stats.ts'
import type { ClusterMeasure } from '../measure.ts'
import { type Cost, sumOf } from '../support/counters.ts'
import { notesOf } from '../support/notes.ts'

/** Until what follows on a load is over: lists that are trimmed, connections that close. */
const SETTLE_MS = 3000
const WARM_UP_RUNS = 10

const isFrame = ({ text }: { readonly text: string }): boolean =>
  /^(begin|commit|rollback|start transaction)/i.test(text)

export const idle: ClusterMeasure = {
  id: '4',
  about: 'the idle cluster, after some runs: all seven roles, one process of each',
  async run(stage) {
    const { idleSeconds } = stage.options
    await stage.set({})
    for (let i = 0; i < WARM_UP_RUNS; i++) await stage.run('task-steps', 10)
    await pause(stage.options.isQuick ? 1000 : SETTLE_MS)
    const { cost } = await stage.observe(() => pause(idleSeconds * 1000))
    const services = stage.cluster.services.filter(({ child }) => child.isRunning)
    const memory = await Promise.all(services.map(({ child }) => residentMb(child.pid!)))
    const share = (total: number): number => total / cost.seconds / services.length
    const calls = (wanted: (statement: Cost['statements'][number]) => boolean): number =>
      sumOf(cost.statements.filter(wanted).map((each) => each.calls))
    const cpu = services.map(({ name }) => ((cost.cpuMs.get(name) ?? 0) / (cost.seconds * 1000)) * 100)
    const figure = (name: string, unit: string, value: number, aim?: number): Figure =>
      makeFigure({ load: '4', name, unit, values: [value], ...(aim !== undefined && { aim: atMost(aim) }) })
    return {
      figures: [
        figure('database queries a second and process', '', share(calls((one) => !isFrame(one))), 5),
        figure('the same with BEGIN and COMMIT', '', share(calls(() => true)), 5),
        figure('writing transactions a second and process', '', share(cost.writes)),
        figure('Redis commands a second and process', '', share(sumOf(cost.redis.values())), 20),
        figure('CPU of a process, median', '%', median(cpu)),
        figure('CPU of a process, most', '%', Math.max(...cpu)),
        figure('resident memory of a process, most', 'MB', Math.max(...memory)),
      ],
      notes: notesOf(`idle, ${services.length} processes`, 'second', cost.seconds, cost),
    }
  },
}
