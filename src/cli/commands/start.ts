/** `aidos start` and `aidos dev`: the whole system in this process, until it is told to stop. */
import type { App } from '../../app.ts'
import type { Config } from '../../config.ts'
import type { Command, CommandCall, Options } from '../command.ts'
import { cliErrors, errorAsText } from '../errors.ts'
import { ENV_FILE } from '../help.ts'
import { standInSettings, startStandIn } from '../stand-in.ts'
import type { Style } from '../style.ts'

const SERVER_OPTIONS: Options = {
  ...ENV_FILE,
  port: { type: 'text', value: 'PORT', about: 'Port of the HTTP API; 0 takes a free one. Else PORT, else 3000.' },
  'data-dir': {
    type: 'text',
    value: 'DIR',
    about: 'Folder of the database and the key. Else AIDOS_DATA_DIR, else .aidos.',
  },
  'stand-in': {
    type: 'text',
    value: 'SCRIPT',
    about: 'Answer for the model by a script (YAML or JSON) where no model is at hand. It is no model.',
  },
}

interface ServeOptions {
  readonly load: readonly string[]
  readonly watch: boolean
}

const settingsOf = (call: CommandCall): Record<string, string> => {
  const port = call.text('port')
  const dataDir = call.text('data-dir')
  return {
    ...(port === undefined ? {} : { PORT: port }),
    ...(dataDir === undefined ? {} : { AIDOS_DATA_DIR: dataDir }),
  }
}

const serve = async (call: CommandCall, { load, watch }: ServeOptions): Promise<number> => {
  const { io, style, isJson } = call
  const { readConfig } = await import('../../config.ts')
  const { startApp } = await import('../../app.ts')
  const script = call.text('stand-in')
  const given = { ...io.env, ...settingsOf(call) }
  // Checked before anything is started.
  readConfig(given)
  const standIn = script === undefined ? undefined : await startStandIn(script)
  try {
    const config = readConfig({ ...given, ...(standIn ? standInSettings(standIn, given.OUTBOUND_ALLOW) : {}) })
    const stop = io.stopSignal({ outlivesReader: true })
    const lost = new AbortController()
    let hasLoaded = false
    const app = await startApp({
      config,
      load,
      watch,
      signal: stop,
      onLost: () => lost.abort(),
      onLoaded: (lines) => {
        hasLoaded = true
        call.say(lines.map((line) => `${style.green('loaded')} ${line}`).join('\n'))
      },
      onLoadFailed: (error) => io.stderr.write(errorAsText(error, style)),
    }).catch((error: unknown) => {
      if (stop.aborted && (error as { code?: unknown }).code === 'start_stopped') return undefined
      throw explain(error, config)
    })
    if (!app) {
      call.say(style.dim('stopped before it was ready'))
      return 0
    }
    const { url, key, keyFile } = app
    if (load.length > 0 && !hasLoaded) call.say(style.yellow(nothingIn(load)))
    if (isJson) io.stdout.write(`${JSON.stringify({ url, key, keyFile, dataDir: config.AIDOS_DATA_DIR })}\n`)
    if (standIn) call.say(style.yellow(`the model is a stand-in that answers by ${script}: it is no model`))
    call.say(app.servesApi ? welcome(app, watch ? load : [], call) : inService(app, config.AIDOS_ROLES, call))
    await aborted(AbortSignal.any([stop, lost.signal]))
    if (lost.signal.aborted) {
      // Its work is others' now, and nothing of it is worth waiting for: whoever supervises the process starts it anew.
      io.exit(1)
      return 1
    }
    call.say(style.dim('stopping: work under way may finish; the rest goes on after the next start'))
    await app.stop()
    return 0
  } finally {
    await standIn?.stop()
  }
}

/** What the system says of a port or a folder, with the setting that it comes from. */
const explain = (error: unknown, { HOST, PORT, AIDOS_DATA_DIR }: Config): unknown => {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (syscall === 'listen' && code === 'EADDRINUSE') {
    const what = `port ${PORT} of ${HOST} is taken by another process`
    return cliErrors.port_taken(`${what}; stop that, or take another port: --port N or PORT (0: a free one)`, {
      cause: error,
    })
  }
  if (syscall === 'listen') {
    return cliErrors.port_taken(`cannot listen on port ${PORT} of ${HOST}: ${message}; see HOST and PORT`, {
      cause: error,
    })
  }
  if (syscall !== 'mkdir') return error
  const what = `the data folder ${AIDOS_DATA_DIR} cannot be made: ${message}`
  return cliErrors.folder_unusable(`${what}; name another by --data-dir or AIDOS_DATA_DIR`, { cause: error })
}

const nothingIn = (folders: readonly string[]): string =>
  `nothing to load in ${folders.join(', ')}: no module there exports a workflow, task, skill or agent, and there is no *.asl.json or *.asl.yaml`

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** Of the key only what is so: made now, kept here, given, or made by another process. */
const keyLine = ({ key, keyIsNew, keyFile }: App, { dim }: Style): string => {
  if (key !== undefined && keyIsNew) return `${key}  ${dim(`kept in ${keyFile}, for you alone`)}`
  if (keyFile !== undefined) return dim(`in ${keyFile}`)
  return dim(key === undefined ? 'made before, and told then' : 'as given')
}

const welcome = (app: App, watched: readonly string[], { style, io }: CommandCall): string => {
  const { bold, cyan, dim } = style
  // Started by npm, it is not on the path of another terminal.
  const aidos = io.env.npm_command ? 'npx aidos' : 'aidos'
  return [
    `${bold('AIDOS runs')} at ${cyan(`${app.url}`)}   API reference: ${cyan(`${app.url}/docs`)}`,
    `key  ${keyLine(app, style)}`,
    ...watched.map((folder) => dim(`watches ${folder}: changes are taken up as they are saved`)),
    ...(app.keyFile === undefined
      ? []
      : [dim(`In another terminal: ${aidos} runs, ${aidos} run NAME --watch, ${aidos} doctor. Ctrl-C stops.`)]),
  ].join('\n')
}

/** Of a process without the API. */
const inService = ({ url }: App, roles: readonly string[], { style }: CommandCall): string => {
  const { bold, cyan } = style
  return `${bold('AIDOS runs')} as ${roles.join(', ')}   health: ${cyan(`${url}/readyz`)}   figures: ${cyan(`${url}/metrics`)}`
}

export const startCommand: Command = {
  name: 'start',
  summary: 'Run the whole system here, until it is stopped',
  usage: '[--load DIR]… [--port PORT] [--data-dir DIR]',
  about: `One process plays all roles on an embedded database: API, agents, workflows, scheduler, workers. The first start makes a tenant
and a key, and keeps the key where only you can read it, so that commands in the same folder find the server. Settings are environment
variables, documented in .env.example, also of a file: --env-file. With --load it takes the TypeScript workflows, tasks, function skills and agents that the
folder's modules export, and its *.asl.json and *.asl.yaml files.`,
  options: {
    load: { type: 'list', value: 'DIR', about: 'Folder with your own code and definitions.' },
    ...SERVER_OPTIONS,
  },
  examples: [
    { line: 'start', about: 'Everything with its defaults, on loopback.' },
    { line: 'start --load examples/order-refund', about: 'With the workflows and tasks of a folder.' },
    {
      line: 'start --load examples/support-agent --stand-in examples/support-agent/stand-in.yaml',
      about: 'Agents without a model.',
    },
  ],
  next: ['aidos doctor           check that all is well', 'aidos run NAME --watch start something'],
  run: (call) => serve(call, { load: call.list('load'), watch: false }),
}

export const devCommand: Command = {
  name: 'dev',
  summary: 'Like start, with a folder of yours whose changes are taken up as you save them',
  usage: 'DIR',
  about: `Runs go on with the version of the workflow that they began with: change the version in the code when the order of its steps
changes. A change that cannot be loaded is told, and what was loaded before stays.`,
  takes: [1, 1],
  options: SERVER_OPTIONS,
  examples: [{ line: 'dev examples/order-refund', about: 'Edit refund.ts and start runs from another terminal.' }],
  next: ['aidos run NAME --watch      run what you are writing'],
  run: (call) => serve(call, { load: call.args, watch: true }),
}
