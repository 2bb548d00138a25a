/** `aidos tasks`: single tasks. */
import type { NewTask } from '../../sdk/views.ts'
import { age, PAGE_OPTIONS, PRIORITIES, pageOf, showFields, showPage } from '../columns.ts'
import { BROKEN_OFF, type CommandCall } from '../command.ts'
import { readJson } from '../input.ts'
import { nounCommand } from '../noun-command.ts'

const listTasks = async (call: CommandCall): Promise<number> => {
  const filter = {
    status: call.text('status'),
    kind: call.text('kind'),
    runId: call.text('run'),
    priority: call.text('priority'),
  }
  const page = await call.client().tasks.list({ ...filter, ...pageOf(call) })
  return showPage(call, page, 'no tasks; make one: aidos tasks create core/echo --input \'"hello"\'', [
    { title: 'TASK', of: (row) => row.id },
    { title: 'KIND', of: (row) => row.kind },
    { title: 'STATUS', of: (row) => row.status },
    { title: 'PRIORITY', of: (row) => row.priority },
    { title: 'ATTEMPT', of: (row) => `${row.attempt}/${row.maxAttempts}` },
    { title: 'MADE', of: (row) => age(row.createdAt) },
  ])
}

const showTask = async (call: CommandCall): Promise<number> => {
  const task = await call.client().tasks.find(call.args[0] ?? '')
  return showFields(call, task)
}

const changeTask =
  (verb: 'cancel' | 'retry') =>
  async (call: CommandCall): Promise<number> => {
    const task = await call.client().tasks[verb](call.args[0] ?? '')
    call.show(task, () => `task ${task.id} is ${task.status}`)
    return 0
  }

/** Until its end, through all its attempts; 0 only when it completed. */
const watch = async (call: CommandCall, id: string): Promise<number> => {
  const { tasks } = call.client()
  const signal = call.io.stopSignal()
  try {
    for await (const _ of tasks.watch(id, { signal }));
  } catch (error) {
    if (!signal.aborted) throw error
    call.say(call.style.dim(`the task goes on; see it: aidos tasks show ${id}`))
    return BROKEN_OFF
  }
  const task = await tasks.find(id)
  call.show(task, () => {
    if (task.status === 'completed') return `${call.style.green('completed')}\n${JSON.stringify(task.output, null, 2)}`
    const error = task.error ? `: ${task.error.message} (${task.error.code})` : ''
    return `${call.style.red(task.status)}${error}\n${call.style.dim(`all of it: aidos tasks show ${id}`)}`
  })
  return task.status === 'completed' ? 0 : 1
}

const createTask = async (call: CommandCall): Promise<number> => {
  const [given = ''] = call.args
  const text = call.text('input')
  // `NAME/TOOL` is short for the tool of a skill; handlers in code have no slash in their names.
  const kind = given.includes('/') && !given.startsWith('skill:') ? `skill:${given}` : given
  const attempts = call.integer('attempts', 1)
  const task = await call.client().tasks.create({
    kind,
    input: text === undefined ? undefined : await readJson(call.io, text, '--input'),
    priority: call.text('priority') as NewTask['priority'],
    limitKey: call.text('limit-key'),
    delay: call.text('delay'),
    idempotencyKey: call.text('idempotency-key'),
    ...(attempts === undefined ? {} : { retry: { attempts } }),
  })
  if (call.flag('watch')) return watch(call, task.id)
  call.show(task, () => `task ${task.id} is ${task.status}\n${call.style.dim(`see it: aidos tasks show ${task.id}`)}`)
  return 0
}

const one = { takes: [1, 1], usage: 'ID' } as const

const TASK_FILTERS = {
  status: {
    type: 'text',
    value: 'S',
    about: 'Only those that are',
    choices: ['scheduled', 'queued', 'running', 'waiting', 'completed', 'failed', 'dead', 'cancelled'],
  },
  kind: { type: 'text', value: 'KIND', about: 'Only of this kind, e.g. skill:files/read.' },
  run: { type: 'text', value: 'ID', about: 'Only of this run.' },
  priority: { type: 'text', value: 'P', about: 'How urgent:', choices: PRIORITIES },
  ...PAGE_OPTIONS,
} as const

export const tasksCommand = nounCommand({
  name: 'tasks',
  summary: 'List, make, cancel and retry tasks',
  usage: '[--status S] [--kind KIND]',
  about: `A task is one unit of durable work: the tool of a skill, or a handler written in code. The steps of runs are tasks, and a task
can stand alone. It runs at least once, is tried again as its policy says, and is a dead letter when its attempts are used up.`,
  options: TASK_FILTERS,
  examples: [
    { line: 'tasks --status running', about: 'What is being done now.' },
    { line: 'tasks create core/echo --input \'{"a":1}\'', about: 'Have a tool of a skill called.' },
  ],
  next: ['aidos dead-letters     tasks that used up their attempts'],
  listSummary: 'List tasks, newest first',
  list: listTasks,
  commands: [
    { name: 'show', summary: 'All of one task', ...one, run: showTask },
    {
      name: 'create',
      summary: 'Make a task that stands alone',
      usage: 'KIND [--input JSON|@FILE|-] [--watch]',
      about:
        'KIND is NAME/TOOL of a skill, or a task written in code. With --watch the exit status is 0 when it completed, else 1.',
      takes: [1, 1],
      options: {
        input: { type: 'text', short: 'i', value: 'JSON', about: 'JSON, @FILE or -.' },
        watch: { type: 'flag', short: 'w', about: 'Wait for its end, and show what came of it.' },
        priority: { type: 'text', value: 'P', about: 'How urgent:', choices: PRIORITIES },
        delay: { type: 'text', value: 'TIME', about: 'Not before, e.g. "10 minutes".' },
        attempts: { type: 'text', value: 'N', about: 'Tries in all.' },
        'limit-key': { type: 'text', value: 'KEY', about: 'Shares the limits that are set for this key.' },
        'idempotency-key': { type: 'text', value: 'KEY', about: 'The same key again gives the same task.' },
      },
      examples: [{ line: 'tasks create text/template --input @letter.json -w', about: 'Call the tool of a skill.' }],
      run: createTask,
    },
    { name: 'cancel', summary: 'Cancel an open task', ...one, run: changeTask('cancel') },
    { name: 'retry', summary: 'Try a dead, cancelled or scheduled task again, now', ...one, run: changeTask('retry') },
  ],
})
