/** The help texts, made of the table of commands: what it is, how it is called, examples, what next. */
import type { Command, Example, Option, Options } from './command.ts'
import type { Output } from './io.ts'
import type { Style } from './style.ts'

/** For commands that read the settings of the server; `makeCall` reads the file. */
export const ENV_FILE: Options = {
  'env-file': { type: 'text', value: 'FILE', about: 'Settings of a file such as .env; those of the environment win.' },
}

export const COMMON: Options = {
  json: { type: 'flag', about: 'Print JSON and nothing else.' },
  help: { type: 'flag', short: 'h', about: 'Show this text.' },
}

export const SERVER: Options = {
  url: { type: 'text', value: 'URL', about: 'The server; else AIDOS_URL, else the credentials file.' },
  key: { type: 'text', value: 'KEY', about: 'The API key; else AIDOS_KEY, else the credentials file.' },
  'data-dir': { type: 'text', value: 'DIR', about: 'Folder of credentials.json; else AIDOS_DATA_DIR, else .aidos.' },
}

/** Of a terminal its own, within reason; what is piped gets long lines. */
export const widthOf = ({ isTTY, columns }: Output): number =>
  isTTY && columns ? Math.min(Math.max(columns, 60), 120) : 120

const wrap = (text: string, width: number): string[] => {
  const lines: string[] = []
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

const columns = (rows: readonly (readonly [string, string])[], style: Style, width: number): string[] => {
  const leftWidth = Math.max(...rows.map(([left]) => left.length))
  const margin = ' '.repeat(leftWidth + 4)
  return rows.map(([left, right]) => {
    const lines = wrap(right, Math.max(width - margin.length, 24))
    return `  ${style.cyan(left)}${' '.repeat(leftWidth - left.length)}  ${lines.join(`\n${margin}`)}`
  })
}

const optionRow = (name: string, option: Option): readonly [string, string] => {
  const short = option.short ? `-${option.short}, ` : ''
  const value = option.type === 'flag' ? '' : ` ${option.value ?? 'VALUE'}`
  const choices = option.choices ? `${option.choices.slice(0, -1).join(', ')} or ${option.choices.at(-1)}.` : ''
  const about = [option.about, choices, option.type === 'list' ? 'May be repeated.' : ''].filter((part) => part !== '')
  return [`${short}--${name}${value}`, about.join(' ')]
}

const section = (title: string, lines: readonly string[], style: Style): string[] =>
  lines.length === 0 ? [] : ['', style.bold(title), ...lines]

const exampleLines = (examples: readonly Example[], style: Style): string[] =>
  examples.flatMap(({ line, about }) => [`  ${style.cyan(`aidos ${line}`)}`, `      ${about}`])

const usageOf = (path: string, command: Command): string[] => {
  const own = command.run ? [`  aidos ${path}${command.usage ? ` ${command.usage}` : ''}`] : []
  const inner = command.commands ?? []
  return [...own, ...inner.map((sub) => `  aidos ${path} ${sub.name}${sub.usage ? ` ${sub.usage}` : ''}`)]
}

export const commandHelp = (path: string, command: Command, style: Style, width: number): string => {
  const options = { ...command.options, ...(command.usesServer ? SERVER : {}), ...COMMON }
  const optionRows = Object.entries(options).map(([name, option]) => optionRow(name, option))
  const inner = (command.commands ?? []).map((sub) => [sub.name, sub.summary] as const)
  return [
    `${style.bold(`aidos ${path}`)}: ${command.summary}`,
    ...(command.about ? ['', ...wrap(command.about, width)] : []),
    ...section('Usage', usageOf(path, command), style),
    ...section('Commands', inner.length > 0 ? columns(inner, style, width) : [], style),
    ...section('Options', columns(optionRows, style, width), style),
    ...section('Examples', exampleLines(command.examples ?? [], style), style),
    ...section(
      'What next',
      (command.next ?? []).map((line) => `  ${line}`),
      style,
    ),
    '',
  ].join('\n')
}

const ABOUT = `A workflow or agent is started as a run. Its steps are written down as they finish, so that a crash or a restart costs
nothing that was done; a run waits for hours or approvals without holding anything.`

const FIRST_STEPS: readonly Example[] = [
  { line: 'demo', about: 'See a durable workflow with an agent do real work, in under a minute. Needs no network.' },
  { line: 'start', about: 'Run the whole system here: API, workers and database in one process.' },
  {
    line: 'run examples/hello/hello.asl.yaml --watch',
    about: 'In another terminal: run a definition and follow it live.',
  },
]

export const generalHelp = (commands: readonly Command[], style: Style, width: number): string =>
  [
    `${style.bold('aidos')}: AI agents and durable workflows on your own machines.`,
    '',
    ...wrap(ABOUT, width),
    ...section('Usage', ['  aidos COMMAND [options]'], style),
    ...section(
      'Commands',
      columns(
        commands.map((command) => [command.name, command.summary] as const),
        style,
        width,
      ),
      style,
    ),
    ...section('First steps', exampleLines(FIRST_STEPS, style), style),
    ...section(
      'What next',
      ['  aidos COMMAND --help teaches each command. The HTTP API is documented at /docs of a running server.'],
      style,
    ),
    '',
  ].join('\n')
