/** `aidos run`: starts a run, follows it, and looks at or changes one. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { Json } from '../../platform/json.ts'
import type { Client } from '../../sdk/client.ts'
import type { RunView } from '../../sdk/views.ts'
import { age, formatFields, PAGE_OPTIONS, PRIORITIES, pageOf, showPage } from '../columns.ts'
import { BROKEN_OFF, type Command, type CommandCall } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { DEFINITION_FILE, nameOfFile, readJson, readText } from '../input.ts'
import { describeChange, drawTree } from '../timeline/draw.ts'
import { readFamily } from '../timeline/merge.ts'
import { makeTimeline } from '../timeline/timeline.ts'
import { watchRun } from '../timeline/watch.ts'

const CODE_FILE = /\.[cm]?[jt]s$/

/** A file is stored as a workflow of its name, which makes a version only when it differs. */
const targetOf = async (
  call: CommandCall,
  client: Client,
  given: string,
): Promise<{ name: string; version?: number }> => {
  // A name may look as a file's.
  const isCode = CODE_FILE.test(given) && (basename(given) !== given || existsSync(given))
  if (isCode && !call.flag('agent')) {
    const how = 'code is loaded by the server: "aidos start --load DIR" or "aidos dev DIR", then "aidos run NAME"'
    throw cliErrors.usage_invalid(`${given}: ${how}`)
  }
  if (call.flag('agent') || !DEFINITION_FILE.test(given)) return { name: given }
  const definition = await readText(given)
  const name = nameOfFile(given)
  const format = given.endsWith('.json') ? 'json' : 'yaml'
  const { version } = await client.workflows.put({ name, definition, format })
  call.say(call.style.dim(`workflow ${name}, version ${version}`))
  return { name, version }
}

/** Shows how a run ended; 0 only for one that completed. */
const showEnd = (call: CommandCall, run: RunView): number => {
  const { style } = call
  call.show(run, () => {
    if (run.status === 'completed') return `${style.green('completed')}\n${JSON.stringify(run.output, null, 2)}`
    const error = run.error ? `: ${run.error.message} (${run.error.code})` : ''
    const hint = run.status === 'stopped' ? `\n${style.dim(`when it is mended: aidos run continue ${run.id}`)}` : ''
    return `${style.red(run.status)}${error}${hint}`
  })
  return run.status === 'completed' ? 0 : 1
}

const run = async (call: CommandCall): Promise<number> => {
  const client = call.client()
  const [given = ''] = call.args
  const text = call.text('input')
  const input: Json | undefined = text === undefined ? undefined : await readJson(call.io, text, '--input')
  const version = call.integer('version', 1)
  const priority = call.text('priority') as 'high' | undefined
  const { name, ...known } = await targetOf(call, client, given)
  const started = await client.runs.start({
    ...(call.flag('agent') ? { agent: name } : { workflow: name }),
    version: version ?? known.version,
    input,
    priority,
    timeout: call.text('timeout'),
    idempotencyKey: call.text('idempotency-key'),
  })
  if (!call.flag('watch')) {
    call.show(started, () => `run ${started.id}\n${call.style.dim(`follow it: aidos run show ${started.id} --watch`)}`)
    return 0
  }
  call.say(call.style.dim(`run ${started.id}`))
  return watch(call, client, started)
}

const watch = async (call: CommandCall, client: Client, started: RunView): Promise<number> => {
  const { io, style, isJson } = call
  const signal = io.stopSignal()
  const ended = await watchRun({ client, run: started, output: io.stdout, style, isJson, signal }).catch((error) => {
    if (!signal.aborted) throw error
  })
  if (!ended) {
    call.say(style.dim(`the run goes on; follow it: aidos run show ${started.id} --watch`))
    return BROKEN_OFF
  }
  if (!isJson) return showEnd(call, ended)
  io.stdout.write(`${JSON.stringify({ run: ended })}\n`)
  return ended.status === 'completed' ? 0 : 1
}

const show = async (call: CommandCall): Promise<number> => {
  const client = call.client()
  const [id = ''] = call.args
  const found = await client.runs.find(id)
  if (call.flag('watch')) return watch(call, client, found)
  const events = await readFamily(client, id)
  const timeline = makeTimeline(id, `${found.kind} ${found.target}`)
  const lines: string[] = []
  for (const event of events) {
    const node = timeline.apply(event)
    if (node && call.flag('events')) lines.push(`${describeChange(node, event.at, Date.parse(event.at), call.style)}`)
  }
  call.show({ ...found, events }, () => {
    const { id: _, kind, target, ...rest } = found
    const size = { width: call.io.stdout.columns || 120, height: Number.POSITIVE_INFINITY }
    const tree = drawTree(timeline.root, { nowMs: Date.now(), style: call.style, ...size })
    const fields = formatFields(
      { run: id, [kind]: `${target}@${found.version}`, ...rest, version: undefined },
      call.style,
    )
    return [fields, '', ...(lines.length > 0 ? lines : tree)].join('\n')
  })
  return 0
}

const change =
  (verb: 'cancel' | 'continue') =>
  async (call: CommandCall): Promise<number> => {
    const changed = await call.client().runs[verb](call.args[0] ?? '')
    call.show(changed, () => `run ${changed.id} is ${changed.status}`)
    return 0
  }

const signal = async (call: CommandCall): Promise<number> => {
  const [id = '', name = ''] = call.args
  const text = call.text('payload')
  const payload = text === undefined ? undefined : await readJson(call.io, text, '--payload')
  if (name === '') throw cliErrors.usage_invalid('name the signal: aidos run signal ID NAME')
  const answer = await call.client().runs.signal(id, name, payload)
  const { waitingFor } = await call.client().runs.find(id)
  const isOther = waitingFor?.startsWith('signal:') && waitingFor !== `signal:${name}`
  const advice = isOther ? `\n${call.style.yellow(`just now it waits for another: ${waitingFor}`)}` : ''
  call.show(answer, () => `signal "${name}" is kept for run ${id} until it asks for it${advice}`)
  return 0
}

/** Of `run` and, as with the other nouns, of `runs`. */
const runCommands: readonly Command[] = [
  {
    name: 'show',
    summary: 'State, output and timeline of a run',
    usage: 'ID [--watch] [--events]',
    takes: [1, 1],
    usesServer: true,
    options: {
      watch: { type: 'flag', short: 'w', about: 'Follow it live, until its end.' },
      events: { type: 'flag', about: 'Every change in its order, in place of the tree.' },
    },
    examples: [{ line: 'run show 0198… --watch', about: 'Follow a run that was started elsewhere.' }],
    run: show,
  },
  {
    name: 'cancel',
    summary: 'Cancel a run',
    usage: 'ID',
    about: 'What it waits for is called off, and its code may clean up. A second time ends it at once.',
    takes: [1, 1],
    usesServer: true,
    run: change('cancel'),
  },
  {
    name: 'continue',
    summary: 'Continue a stopped run after its code was mended',
    usage: 'ID',
    takes: [1, 1],
    usesServer: true,
    run: change('continue'),
  },
  {
    name: 'signal',
    summary: 'Send a signal to a run',
    usage: 'ID NAME [--payload JSON|@FILE|-]',
    about: 'A signal is kept until the run asks for it, so it may be sent early.',
    takes: [2, 2],
    usesServer: true,
    options: { payload: { type: 'text', value: 'JSON', about: 'What the run is given: JSON, @FILE or -.' } },
    examples: [{ line: 'run signal 0198… approved --payload \'{"approved":true}\'', about: 'Approve.' }],
    run: signal,
  },
]

export const runCommand: Command = {
  name: 'run',
  summary: 'Start a run of a workflow, a definition file or an agent, and follow it',
  usage: 'FILE|NAME [--input JSON|@FILE|-] [--watch]',
  about: `A file (.asl.json, .asl.yaml, .json, .yaml) in the States Language is stored as a workflow of its name first; a version is made
only when it differs. A name is that of a workflow, or with --agent of an agent. The run goes on whether you watch or not.
Exit status with --watch: 0 when it completed, 1 when it ended in any other way, 130 when you broke it off.`,
  takes: [1, 1],
  usesServer: true,
  options: {
    input: { type: 'text', short: 'i', value: 'JSON', about: 'The input: JSON, @FILE, or - for standard input.' },
    watch: { type: 'flag', short: 'w', about: 'Draw the timeline live, until the end.' },
    agent: { type: 'flag', about: 'The name is that of an agent.' },
    version: { type: 'text', value: 'N', about: 'A version other than the current one.' },
    priority: { type: 'text', value: 'P', about: 'How urgent:', choices: PRIORITIES },
    timeout: { type: 'text', value: 'TIME', about: 'Limit of the whole run, such as "10 minutes".' },
    'idempotency-key': { type: 'text', value: 'KEY', about: 'The same key again gives the same run, not another one.' },
  },
  examples: [
    {
      line: 'run hello.asl.json --input \'{"name":"Ada"}\' --watch',
      about: 'Store the definition, run it, follow it.',
    },
    { line: 'run refund --input @order.json', about: 'Start it and get its id at once.' },
    { line: 'run support --agent --input \'"Where is my parcel?"\' -w', about: 'Run an agent on a text.' },
    { line: 'run signal ID approved --payload \'{"by":"Ada"}\'', about: 'Give a waiting run what it waits for.' },
  ],
  next: ['aidos run show ID      the state and timeline of a run', 'aidos runs             the latest runs'],
  run,
  commands: runCommands,
}

export const runsCommand: Command = {
  name: 'runs',
  summary: 'List runs, newest first',
  usage: '[--status S] [--target NAME]',
  usesServer: true,
  options: {
    status: {
      type: 'text',
      value: 'S',
      about: 'Only those that are',
      choices: ['queued', 'running', 'waiting', 'stopped', 'completed', 'failed', 'cancelled', 'timed_out'],
    },
    target: { type: 'text', value: 'NAME', about: 'Only of this workflow or agent.' },
    kind: { type: 'text', value: 'KIND', about: 'Only of this kind:', choices: ['workflow', 'agent'] },
    ...PAGE_OPTIONS,
  },
  examples: [
    { line: 'runs --status waiting', about: 'What waits for an approval or a time.' },
    { line: 'runs --status failed --json', about: 'For a script.' },
  ],
  next: ['aidos run show ID      the timeline of one of them'],
  commands: runCommands,
  async run(call) {
    const filter = { status: call.text('status'), target: call.text('target'), kind: call.text('kind') }
    const page = await call.client().runs.list({ ...filter, ...pageOf(call) })
    return showPage(call, page, 'no runs; start one: aidos run NAME --watch', [
      { title: 'RUN', of: (row) => row.id },
      { title: 'TARGET', of: (row) => `${row.kind === 'agent' ? 'agent ' : ''}${row.target}@${row.version}` },
      { title: 'STATUS', of: (row) => row.status + (row.waitingFor ? ` (${row.waitingFor})` : '') },
      { title: 'STARTED', of: (row) => age(row.createdAt) },
    ])
  },
}
