/** `aidos agents`: agents and their life cycle. */
import { age, PAGE_OPTIONS, pageOf, showFields, showPage } from '../columns.ts'
import type { Command, CommandCall } from '../command.ts'
import { readObjectFile } from '../input.ts'
import { nounCommand } from '../noun-command.ts'

const list = async (call: CommandCall): Promise<number> => {
  const page = await call
    .client()
    .agents.list({ status: call.text('status'), type: call.text('type'), ...pageOf(call) })
  return showPage(call, page, 'no agents; make one: aidos agents create NAME FILE', [
    { title: 'AGENT', of: (row) => row.name },
    { title: 'TYPE', of: (row) => row.type },
    { title: 'STATUS', of: (row) => row.status },
    { title: 'VERSION', of: (row) => row.latestVersion },
    { title: 'CHANGED', of: (row) => age(row.updatedAt) },
  ])
}

const show = async (call: CommandCall): Promise<number> => {
  const agent = await call.client().agents.find(call.args[0] ?? '', call.integer('version', 1))
  return showFields(call, agent)
}

const create = async (call: CommandCall): Promise<number> => {
  const [name = '', file = ''] = call.args
  const config = await readObjectFile(file)
  const { agents } = call.client()
  const isNext = call.flag('next')
  const made = isNext
    ? await agents.addVersion(name, config)
    : await agents.create({ name, type: call.text('type'), config })
  const agent = call.flag('activate') && made.status === 'draft' ? await agents.activate(name) : made
  const hint = agent.status === 'draft' ? `\n${call.style.dim(`let it take runs: aidos agents activate ${name}`)}` : ''
  call.show(agent, () => `agent ${name}, version ${agent.latestVersion}, is ${agent.status}${hint}`)
  return 0
}

const MOVES = {
  activate: 'Let a draft take runs',
  pause: 'Take no new runs for now',
  resume: 'Take runs again',
  drain: 'Take no more runs; archived once those under way have ended',
  archive: 'End it for good',
} as const

const moveCommand = (move: keyof typeof MOVES): Command => ({
  name: move,
  summary: MOVES[move],
  usage: 'NAME',
  takes: [1, 1],
  async run(call) {
    const agent = await call.client().agents[move](call.args[0] ?? '')
    call.show(agent, () => `agent ${agent.name} is ${agent.status}`)
    return 0
  },
})

const LIST_OPTIONS = {
  status: {
    type: 'text',
    value: 'S',
    about: 'Only those that are',
    choices: ['draft', 'active', 'paused', 'draining', 'archived'],
  },
  type: { type: 'text', value: 'TYPE', about: 'What you sort your agents by.' },
  ...PAGE_OPTIONS,
} as const

export const agentsCommand = nounCommand({
  name: 'agents',
  summary: 'List, make and steer agents',
  usage: '[--status S] [--type TYPE]',
  about: `An agent is a versioned configuration: model, instructions, skills, output and budgets. Its life: draft → active ⇄ paused →
draining → archived. Only an active agent takes new runs; a run stays on the version it began with.`,
  options: LIST_OPTIONS,
  examples: [
    { line: 'agents create support support.yaml --activate', about: 'Make an agent of a file and let it take runs.' },
    { line: 'agents create support support.yaml --next', about: 'Its next version.' },
  ],
  next: ['aidos run NAME --agent --input \'"…"\' --watch      run it'],
  listSummary: 'List agents',
  list,
  commands: [
    {
      name: 'show',
      summary: 'An agent with its configuration',
      usage: 'NAME [--version N]',
      takes: [1, 1],
      options: { version: { type: 'text', value: 'N', about: 'Default: the latest.' } },
      run: show,
    },
    {
      name: 'create',
      summary: 'Make an agent, or its next version, of a file',
      usage: 'NAME FILE [--type TYPE] [--activate] [--next]',
      about: 'FILE holds the configuration in JSON or YAML: { instructions, model?, skills?, output?, budgets? }.',
      takes: [2, 2],
      options: {
        type: { type: 'text', value: 'TYPE', about: 'What you sort your agents by.' },
        activate: { type: 'flag', about: 'Let it take runs at once.' },
        next: { type: 'flag', about: 'The agent is there: make its next version.' },
      },
      run: create,
    },
    ...(Object.keys(MOVES) as (keyof typeof MOVES)[]).map(moveCommand),
  ],
})
