/** `aidos skills`: skills and their tools. */
import type { JsonObject } from '../../platform/json.ts'
import { formatFields, formatRows, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { CommandCall } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { readObjectFile } from '../input.ts'
import { nounCommand } from '../noun-command.ts'

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().skills.list(pageOf(call))
  return showPage(call, page, 'no skills', [
    { title: 'SKILL', of: (row) => row.name },
    { title: 'KIND', of: (row) => row.kind },
    { title: 'VERSION', of: (row) => row.version },
    { title: 'ABOUT', of: (row) => row.description },
  ])
}

const show = async (call: CommandCall): Promise<number> => {
  const skill = await call.client().skills.find(call.args[0] ?? '', call.integer('version', 1))
  call.show(skill, () => {
    const { tools = [], definition: _, ...rest } = skill
    const columns = [
      { title: 'TOOL', of: (tool: (typeof tools)[number]) => `skill:${skill.name}/${tool.name}` },
      { title: 'ABOUT', of: (tool: (typeof tools)[number]) => tool.description },
    ]
    return `${formatFields(rest, call.style)}\n\n${formatRows(tools, columns, call.style)}`
  })
  return 0
}

const create = async (call: CommandCall): Promise<number> => {
  const [name = '', file = ''] = call.args
  const { kind, description, ...rest } = await readObjectFile(file)
  const definition = (rest.definition ?? rest) as JsonObject
  const { skills } = call.client()
  const about = typeof description === 'string' ? { description } : {}
  if (kind !== 'http' && kind !== 'function') {
    throw cliErrors.input_invalid(`${file}: "kind" is ${JSON.stringify(kind ?? null)}; allowed: "http" or "function"`)
  }
  const skill = call.flag('next')
    ? await skills.addVersion(name, { ...about, definition })
    : await skills.create({ name, kind, ...about, definition })
  call.show(skill, () => `skill ${skill.name}, version ${skill.version}`)
  return 0
}

const archive = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  const skill = await call.client().skills.archive(name)
  call.show(skill ?? { name, status: 'archived' }, () => `skill ${name} is archived: nothing new may use it`)
  return 0
}

export const skillsCommand = nounCommand({
  name: 'skills',
  summary: 'List, look at and make skills',
  about: `A skill is a versioned bundle of tools that agents and workflows use as skill:NAME/TOOL. Kinds: builtin (comes with the system),
http (calls of a service, declared), function (JavaScript in a sandbox without I/O).`,
  options: PAGE_OPTIONS,
  examples: [
    { line: 'skills show files', about: 'The tools of a skill and what they are for.' },
    { line: 'skills create weather weather.yaml', about: 'Make a skill of a file.' },
  ],
  next: ["aidos tasks create NAME/TOOL --input '{…}' --watch      try a tool by itself"],
  listSummary: 'List skills',
  list,
  commands: [
    {
      name: 'show',
      summary: 'A skill with its tools',
      usage: 'NAME [--version N]',
      takes: [1, 1],
      options: { version: { type: 'text', value: 'N', about: 'Default: the latest.' } },
      run: show,
    },
    {
      name: 'create',
      summary: 'Make a skill, or its next version, of a file',
      usage: 'NAME FILE [--next]',
      about: 'FILE holds { kind: http|function, description?, … the definition } in JSON or YAML.',
      takes: [2, 2],
      options: { next: { type: 'flag', about: 'The skill is there: make its next version.' } },
      run: create,
    },
    {
      name: 'archive',
      summary: 'Let nothing new use it',
      usage: 'NAME',
      takes: [1, 1],
      run: archive,
    },
  ],
})
