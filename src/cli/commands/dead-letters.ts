/** `aidos dead-letters`: tasks that used up their attempts. */
import { setTimeout as pause } from 'node:timers/promises'
import { age, formatFields, formatRows, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { CommandCall } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { nounCommand } from '../noun-command.ts'

const FILTERS = {
  kind: { type: 'text', value: 'KIND', about: 'Only of this kind.' },
  reason: {
    type: 'text',
    value: 'R',
    about: 'Only of this reason:',
    choices: ['attempts_used_up', 'not_retryable', 'deadline_passed', 'worker_lost'],
  },
} as const

const LOOK_EVERY_MS = 200

const filterOf = (call: CommandCall) => ({ kind: call.text('kind'), reason: call.text('reason') })

const list = async (call: CommandCall): Promise<number> => {
  const filter = { status: call.text('status') ?? 'dead', ...filterOf(call) }
  const page = await call.client().deadLetters.list({ ...filter, ...pageOf(call) })
  return showPage(call, page, 'no dead letters: every task was done or is still being tried', [
    { title: 'DEAD LETTER', of: (row) => row.id },
    { title: 'KIND', of: (row) => row.kind },
    { title: 'REASON', of: (row) => row.reason },
    { title: 'ATTEMPTS', of: (row) => row.attempts },
    { title: 'SINCE', of: (row) => age(row.createdAt) },
    { title: 'ERROR', of: (row) => row.error.message },
  ])
}

const show = async (call: CommandCall): Promise<number> => {
  const letter = await call.client().deadLetters.find(call.args[0] ?? '')
  call.show(letter, () => {
    const { history, task, ...fields } = letter
    const rows = formatRows(
      history,
      [
        { title: 'WHEN', of: (event) => event.at },
        { title: 'WHAT', of: (event) => event.type },
        { title: 'ATTEMPT', of: (event) => event.data.attempt as number | undefined },
        { title: 'ERROR', of: (event) => (event.data.error as { message?: string } | undefined)?.message },
      ],
      call.style,
    )
    return `${formatFields({ ...fields, input: task.input }, call.style)}\n\n${rows}`
  })
  return 0
}

/** One by its id, or those that a filter or --all names. */
const chosen = (call: CommandCall): string | undefined => {
  const [id] = call.args
  const { kind, reason } = filterOf(call)
  const isFiltered = call.flag('all') || kind !== undefined || reason !== undefined
  if (id !== undefined && isFiltered) throw cliErrors.usage_invalid('give an ID or a filter, not both')
  if (id === undefined && !isFiltered) {
    throw cliErrors.usage_invalid('say which: an ID, --kind, --reason, or --all for every one of them')
  }
  return id
}

const redrive = async (call: CommandCall): Promise<number> => {
  const id = chosen(call)
  const { deadLetters } = call.client()
  if (id !== undefined) {
    const letter = await deadLetters.redrive(id)
    call.show(letter, () => `task ${letter.taskId} is tried again`)
    return 0
  }
  const ratePerSecond = call.integer('rate', 1)
  let redrive = await deadLetters.redriveAll({ ...filterOf(call), ratePerSecond })
  // With a rate it can take long: it goes on without us.
  while (ratePerSecond === undefined && redrive.status === 'running') {
    await pause(LOOK_EVERY_MS)
    redrive = await deadLetters.findRedrive(redrive.id)
  }
  call.show(redrive, () =>
    redrive.status === 'running'
      ? `redrive ${redrive.id} is under way\n${call.style.dim('see how far it is: aidos dead-letters redrives')}`
      : redrive.count === 1
        ? '1 task is tried again'
        : `${redrive.count} tasks are tried again`,
  )
  return 0
}

const listRedrives = async (call: CommandCall): Promise<number> => {
  const page = await call.client().deadLetters.redrives(pageOf(call))
  return showPage(call, page, 'no redrives', [
    { title: 'REDRIVE', of: (row) => row.id },
    { title: 'STATUS', of: (row) => row.status },
    { title: 'KIND', of: (row) => row.kind },
    { title: 'REASON', of: (row) => row.reason },
    { title: 'A SECOND', of: (row) => row.ratePerSecond },
    { title: 'TRIED AGAIN', of: (row) => row.count },
    { title: 'BEGAN', of: (row) => age(row.createdAt) },
  ])
}

const cancelRedrive = async (call: CommandCall): Promise<number> => {
  const redrive = await call.client().deadLetters.cancelRedrive(call.args[0] ?? '')
  call.show(redrive, () => `redrive ${redrive.id} is cancelled; ${redrive.count} tasks were tried again`)
  return 0
}

const discard = async (call: CommandCall): Promise<number> => {
  const id = chosen(call)
  const { deadLetters } = call.client()
  if (id !== undefined) {
    const letter = await deadLetters.discard(id)
    call.show(letter ?? { id, status: 'discarded' }, () => `dead letter ${id} is discarded; its task stays dead`)
    return 0
  }
  let count = 0
  for (let hasMore = true; hasMore; ) {
    const answer = await deadLetters.discardAll(filterOf(call))
    count += answer.count
    hasMore = answer.hasMore
  }
  const said =
    count === 1 ? '1 dead letter is discarded; its task stays' : `${count} dead letters are discarded; their tasks stay`
  call.show({ count }, () => `${said} dead`)
  return 0
}

const listOptions = {
  ...FILTERS,
  status: { type: 'text', value: 'S', about: 'Default: dead.', choices: ['dead', 'redriven', 'discarded'] },
  ...PAGE_OPTIONS,
} as const

const one = { takes: [1, 1], usage: 'ID' } as const
const all = { type: 'flag', about: 'Every dead letter.' } as const

export const deadLettersCommand = nounCommand({
  name: 'dead-letters',
  summary: 'Look at, try again or discard tasks that used up their attempts',
  usage: '[--kind KIND] [--reason R]',
  about:
    'A task whose attempts are used up is kept here with its error and history until you try it again or discard it.',
  options: listOptions,
  examples: [
    { line: 'dead-letters', about: 'What needs somebody to look at it.' },
    { line: 'dead-letters redrive --kind skill:crm/update', about: 'The service is back: try all of them again.' },
    { line: 'dead-letters redrive --all --rate 20', about: 'Gently: twenty a second.' },
  ],
  next: ['aidos dead-letters show ID    one with the history of its attempts'],
  listSummary: 'List dead letters, newest first',
  list,
  commands: [
    { name: 'show', summary: 'One with the history of its attempts', ...one, run: show },
    {
      name: 'redrive',
      summary: 'Try again: one, those of a filter, or all',
      usage: 'ID | --kind KIND | --reason R | --all [--rate N]',
      takes: [0, 1],
      options: { ...FILTERS, all, rate: { type: 'text', value: 'N', about: 'So many a second; goes on by itself.' } },
      run: redrive,
    },
    {
      name: 'redrives',
      summary: 'How far redrives of many are',
      options: PAGE_OPTIONS,
      run: listRedrives,
    },
    { name: 'cancel', summary: 'End a redrive; what it tried again goes on', ...one, run: cancelRedrive },
    {
      name: 'discard',
      summary: 'Give up for good: one, those of a filter, or all',
      usage: 'ID | --kind KIND | --reason R | --all',
      takes: [0, 1],
      options: { ...FILTERS, all },
      run: discard,
    },
  ],
})
