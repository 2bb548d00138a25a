/** `aidos workflows`: stored definitions, and those written in code. */
import type { Finding } from '../../platform/errors.ts'
import { age, PAGE_OPTIONS, pageOf, showFields, showPage } from '../columns.ts'
import type { CommandCall } from '../command.ts'
import { nameOfFile, readText } from '../input.ts'
import { nounCommand } from '../noun-command.ts'

const formatOf = (file: string): 'json' | 'yaml' => (file.endsWith('.json') ? 'json' : 'yaml')

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().workflows.list(pageOf(call))
  return showPage(call, page, 'no workflows; make one: aidos workflows create FILE', [
    { title: 'WORKFLOW', of: (row) => row.name },
    { title: 'KIND', of: (row) => (row.kind === 'asl' ? 'States Language' : 'TypeScript') },
    { title: 'STATUS', of: (row) => row.status },
    { title: 'VERSION', of: (row) => row.version },
    { title: 'CHANGED', of: (row) => age(row.updatedAt) },
  ])
}

const show = async (call: CommandCall): Promise<number> => {
  const workflow = await call.client().workflows.find(call.args[0] ?? '', call.integer('version', 1))
  return showFields(call, workflow)
}

const create = async (call: CommandCall): Promise<number> => {
  const [file = ''] = call.args
  const name = call.text('name') ?? nameOfFile(file)
  const workflow = await call.client().workflows.put({ name, definition: await readText(file), format: formatOf(file) })
  const warnings = (workflow.warnings ?? []).map((finding) => `\n${findingLine(finding, call.style.yellow('advice'))}`)
  call.show(workflow, () => `workflow ${name}, version ${workflow.version}${warnings.join('')}`)
  return 0
}

const findingLine = ({ path: place, message }: Finding, mark: string): string => `${mark} ${place}: ${message}`

const check = async (call: CommandCall): Promise<number> => {
  const [file = ''] = call.args
  const answer = await call.client().workflows.validate({ definition: await readText(file), format: formatOf(file) })
  call.show(answer, () =>
    [
      ...answer.errors.map((finding) => findingLine(finding, call.style.red('error'))),
      ...answer.warnings.map((finding) => findingLine(finding, call.style.yellow('advice'))),
      answer.valid ? `${file} is valid` : `${file} is not valid`,
    ].join('\n'),
  )
  return answer.valid ? 0 : 1
}

const archive = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  const workflow = await call.client().workflows.archive(name)
  call.show(
    workflow ?? { name, status: 'archived' },
    () => `workflow ${name} is archived: runs under way go on, no new ones`,
  )
  return 0
}

const file = { takes: [1, 1] } as const

export const workflowsCommand = nounCommand({
  name: 'workflows',
  summary: 'List, check, store and archive workflows',
  about: `A workflow is a versioned definition in the States Language (JSON or YAML), or a TypeScript function of a folder that the server
has loaded (aidos start --load DIR). A run stays on the version it began with.`,
  options: PAGE_OPTIONS,
  examples: [
    { line: 'workflows check order.asl.yaml', about: 'Every mistake with its place, without storing anything.' },
    { line: 'workflows create order.asl.yaml', about: 'Store it, or its next version when it differs.' },
  ],
  next: ['aidos run NAME --watch      run it'],
  listSummary: 'List workflows',
  list,
  commands: [
    {
      name: 'show',
      summary: 'A workflow with its definition',
      usage: 'NAME [--version N]',
      ...file,
      options: { version: { type: 'text', value: 'N', about: 'Default: the current one.' } },
      run: show,
    },
    {
      name: 'create',
      summary: 'Store a definition',
      usage: 'FILE [--name NAME]',
      ...file,
      options: { name: { type: 'text', value: 'NAME', about: "Default: the file's name without its end." } },
      run: create,
    },
    {
      name: 'check',
      summary: 'Check a definition without storing it; exit status 1 if it is not valid',
      usage: 'FILE',
      ...file,
      run: check,
    },
    { name: 'archive', summary: 'Let no new run begin', usage: 'NAME', ...file, run: archive },
  ],
})
