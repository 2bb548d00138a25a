/** `aidos schedules`: what starts by the clock. */
import type { ScheduleView } from '../../sdk/views.ts'
import { formatFields, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { Command, CommandCall } from '../command.ts'
import { readJson, readObjectFile } from '../input.ts'
import { nounCommand } from '../noun-command.ts'
import { formatDuration } from '../timeline/draw.ts'

const STATUSES = ['active', 'paused', 'ended'] as const

/** `cron 0 9 * * MON-FRI (Europe/Berlin)`, `every 15 minutes`, `at 2030-01-01T00:00:00Z`. */
const formatTiming = ({ timing }: ScheduleView): string => {
  const kind = ['cron', 'every', 'at'].find((each) => each in timing) ?? ''
  const value = timing[kind]
  const when = typeof value === 'number' ? formatDuration(value) : value
  return `${kind} ${when}${timing.timeZone === undefined ? '' : ` (${timing.timeZone})`}`
}

const formatTarget = ({ target }: ScheduleView): string => {
  const kind = ['workflow', 'agent', 'task'].find((each) => each in target) ?? ''
  return `${kind} ${target[kind]}${target.version === undefined ? '' : `@${target.version}`}`
}

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().schedules.list({ status: call.text('status'), ...pageOf(call) })
  return showPage(call, page, 'no schedules; make one: aidos schedules create NAME FILE', [
    { title: 'SCHEDULE', of: (row) => row.name },
    { title: 'STATUS', of: (row) => row.status },
    { title: 'WHEN', of: formatTiming },
    { title: 'STARTS', of: formatTarget },
    { title: 'NEXT', of: (row) => row.nextAt },
    { title: 'FIRES', of: (row) => row.fires },
  ])
}

const TIMES_SHOWN = 5

const show = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  const { schedules } = call.client()
  const schedule = await schedules.find(name)
  const { items } = await schedules.preview(name, { count: TIMES_SHOWN })
  const next = items.map(({ plannedAt }) => plannedAt)
  call.show({ ...schedule, next }, () => formatFields({ ...schedule, next: next.join('\n') }, call.style))
  return 0
}

const create = async (call: CommandCall): Promise<number> => {
  const [name = '', file = ''] = call.args
  const definition = await readObjectFile(file)
  const { schedules } = call.client()
  const schedule = await schedules[call.flag('replace') ? 'replace' : 'create'](name, definition)
  call.show(schedule, () => `schedule ${name} is ${schedule.status}; next at ${schedule.nextAt ?? 'no time'}`)
  return 0
}

const fires = async (call: CommandCall): Promise<number> => {
  const page = await call.client().schedules.fires(call.args[0] ?? '', pageOf(call))
  return showPage(call, page, 'it has not fired yet', [
    { title: 'PLANNED', of: (row) => row.plannedAt },
    { title: 'CAUSE', of: (row) => row.cause },
    { title: 'STATUS', of: (row) => row.status + (row.reason === null ? '' : ` (${row.reason})`) },
    { title: 'STARTED', of: (row) => row.runId ?? row.taskId },
    { title: 'ERROR', of: (row) => row.error?.message },
  ])
}

const trigger = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  const text = call.text('input')
  const input = text === undefined ? undefined : await readJson(call.io, text, '--input')
  const fire = await call.client().schedules.trigger(name, { input })
  call.show(fire, () => {
    const started = fire.runId === null ? fire.taskId : `run ${fire.runId}`
    const why = fire.error === null ? '' : `: ${fire.error.message} (${fire.error.code})`
    return `${name}: ${fire.status}${why}${started === null ? '' : `, ${started}`}`
  })
  return fire.status === 'failed' ? 1 : 0
}

const remove = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  await call.client().schedules.remove(name)
  call.show({ name }, () => `schedule ${name} and its history are removed; what it started goes on`)
  return 0
}

const one = { takes: [1, 1], usage: 'NAME' } as const

const moveCommand = (move: 'pause' | 'resume', summary: string): Command => ({
  name: move,
  summary,
  ...one,
  async run(call) {
    const schedule = await call.client().schedules[move](call.args[0] ?? '')
    call.show(schedule, () => `schedule ${schedule.name} is ${schedule.status}`)
    return 0
  },
})

export const schedulesCommand = nounCommand({
  name: 'schedules',
  summary: 'List, make, pause and fire schedules',
  about: `A schedule starts a run of a workflow or an agent, or a task, by the clock. FILE holds it in JSON or YAML: timing ({ cron,
timeZone }, { every } or { at }), target ({ workflow }, { agent } or { task }), and what else docs/scheduler.md tells of.`,
  options: {
    status: { type: 'text', value: 'S', about: 'Only those that are', choices: STATUSES },
    ...PAGE_OPTIONS,
  },
  examples: [
    {
      line: 'schedules create nightly nightly.yaml',
      about: 'timing: { cron: "30 2 * * *" }, target: { workflow: report }',
    },
    { line: 'schedules trigger nightly', about: 'Fire it now.' },
    { line: 'schedules fires nightly', about: 'When it fired, what that started, and what was left out.' },
  ],
  listSummary: 'List schedules, newest first',
  list,
  commands: [
    { name: 'show', summary: 'A schedule and its next times', ...one, run: show },
    {
      name: 'create',
      summary: 'Make a schedule of a file',
      takes: [2, 2],
      usage: 'NAME FILE [--replace]',
      options: { replace: { type: 'flag', about: 'The schedule is there: put this definition in its place.' } },
      run: create,
    },
    { name: 'fires', summary: 'History of its fires, last planned first', ...one, options: PAGE_OPTIONS, run: fires },
    {
      name: 'trigger',
      summary: 'Fire now, paused or not',
      takes: [1, 1],
      usage: 'NAME [--input JSON|@FILE|-]',
      options: { input: { type: 'text', short: 'i', value: 'JSON', about: 'Instead of its own: JSON, @FILE or -.' } },
      run: trigger,
    },
    moveCommand('pause', 'Fire no more until it is resumed'),
    moveCommand('resume', 'Fire again, and make up for missed times'),
    { name: 'remove', summary: 'Remove a schedule with its history', ...one, run: remove },
  ],
})
