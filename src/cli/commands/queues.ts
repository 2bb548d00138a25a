/** `aidos queues`: what waits, pauses and limits. */
import type { QueueRuleView, QueueView } from '../../sdk/views.ts'
import { formatRows, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { CommandCall } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { nounCommand } from '../noun-command.ts'
import { formatDuration } from '../timeline/draw.ts'

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().queues.list()
  const isOperator = page.items.some((row) => row.all !== undefined)
  const columns = [
    { title: 'QUEUE', of: (row: QueueView) => row.name },
    { title: 'STATE', of: (row: QueueView) => (row.paused || row.ownPaused ? 'paused' : 'open') },
    { title: 'QUEUED', of: (row: QueueView) => row.queued },
    { title: 'DEAD', of: (row: QueueView) => row.dead },
    ...(isOperator
      ? [
          { title: 'OF ALL: QUEUED', of: (row: QueueView) => row.all?.queued },
          { title: 'INSIDE', of: (row: QueueView) => row.all?.inside },
          { title: 'WAITING', of: (row: QueueView) => row.all?.waiting },
          { title: 'ACTIVE', of: (row: QueueView) => row.all?.active },
          { title: 'ROOM', of: (row: QueueView) => row.all?.room },
          { title: 'DEAD', of: (row: QueueView) => row.all?.dead },
        ]
      : []),
  ]
  call.show(page, () => formatRows(page.items, columns, call.style))
  return 0
}

const change =
  (verb: 'pause' | 'resume') =>
  async (call: CommandCall): Promise<number> => {
    const rule = await call.client().queues[verb](call.args[0] ?? '', call.text('tenant'))
    const whose = rule.tenantId === '' ? '' : ` for the tenant ${rule.tenantId}`
    call.show(rule, () => `queue ${rule.partition} is ${rule.paused ? 'paused' : 'open'}${whose}`)
    return 0
  }

const LIMIT = /^(\d+)\/(.+)$/

const rateOf = (given: string | undefined) => {
  if (given === undefined) return undefined
  if (given === 'none') return null
  const match = LIMIT.exec(given)
  if (match) return { count: Number(match[1]), per: match[2] as string }
  throw cliErrors.usage_invalid(`--rate is ${JSON.stringify(given)}; allowed: COUNT/TIME such as 100/1 minute, or none`)
}

const numberOf = (call: CommandCall, name: string): number | null | undefined =>
  call.text(name) === 'none' ? null : call.integer(name, 1)

const limit = async (call: CommandCall): Promise<number> => {
  const given = {
    concurrency: numberOf(call, 'concurrency'),
    rate: rateOf(call.text('rate')),
    weight: numberOf(call, 'weight'),
  }
  if (Object.values(given).every((value) => value === undefined)) {
    throw cliErrors.usage_invalid('say what to limit: --concurrency, --rate or --weight; "none" lifts a limit')
  }
  const rule = await call.client().queues.setRule({
    ...{ tenantId: call.text('tenant'), partition: call.args[0], key: call.text('limit-key') },
    ...given,
  })
  call.show(rule, () => formatRows([rule], ruleColumns, call.style))
  return 0
}

const ruleColumns = [
  { title: 'QUEUE', of: (row: QueueRuleView) => row.partition ?? 'all' },
  { title: 'LIMIT KEY', of: (row: QueueRuleView) => row.key },
  { title: 'STATE', of: (row: QueueRuleView) => (row.paused ? 'paused' : 'open') },
  { title: 'AT A TIME', of: (row: QueueRuleView) => row.concurrency },
  { title: 'RATE', of: (row: QueueRuleView) => row.rate && `${row.rate.count} in ${formatDuration(row.rate.per)}` },
  { title: 'WEIGHT', of: (row: QueueRuleView) => row.weight },
]

const rules = async (call: CommandCall): Promise<number> => {
  const page = await call.client().queues.rules({ tenantId: call.text('tenant'), ...pageOf(call) })
  return showPage(call, page, 'no rules: nothing is limited', ruleColumns)
}

const tenant = { type: 'text', value: 'ID', about: 'For this tenant alone.' } as const

export const queuesCommand = nounCommand({
  name: 'queues',
  summary: 'What waits; pause, resume and limit queues',
  about: `The queues are agents, workflow, scheduler, notifications and tasks. Work waits in the database; a window of it is handed to the
queue, fairly between tenants. A paused queue begins nothing; what is under way goes on.`,
  examples: [
    { line: 'queues pause tasks', about: 'For all tenants: the operator.' },
    { line: 'queues limit --limit-key crm --concurrency 5', about: 'Of your tasks with that limit key.' },
  ],
  listSummary: 'What waits in each queue',
  list,
  commands: [
    {
      name: 'pause',
      summary: 'Nothing of a queue begins until it is resumed',
      usage: 'NAME [--tenant ID]',
      takes: [1, 1],
      options: { tenant },
      run: change('pause'),
    },
    {
      name: 'resume',
      summary: 'A queue goes on',
      usage: 'NAME [--tenant ID]',
      takes: [1, 1],
      options: { tenant },
      run: change('resume'),
    },
    {
      name: 'limit',
      summary: 'Limit a tenant, or the tasks of a limit key',
      usage: '[NAME] [--tenant ID] [--limit-key KEY] [--concurrency N] [--rate COUNT/TIME] [--weight N]',
      takes: [0, 1],
      options: {
        tenant,
        'limit-key': {
          type: 'text',
          value: 'KEY',
          about: 'Tasks with this limit key; "*": each key without a limit of its own.',
        },
        concurrency: { type: 'text', value: 'N', about: 'The most under way; none: no limit.' },
        rate: { type: 'text', value: 'COUNT/TIME', about: 'e.g. "100/1 minute"; none: no limit.' },
        weight: { type: 'text', value: 'N', about: 'The part beside other tenants; 1 is the usual.' },
      },
      run: limit,
    },
    { name: 'rules', summary: 'Pauses and limits of a tenant', options: { tenant, ...PAGE_OPTIONS }, run: rules },
  ],
})
