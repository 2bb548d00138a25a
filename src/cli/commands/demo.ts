/** `aidos demo`: a real run from start to end, in this process: an audit of the licences of this project's own packages. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeClient } from '../../sdk/client.ts'
import type { Command, CommandCall } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { type StandInProcess, standInSettings, startStandIn } from '../stand-in.ts'
import { watchRun } from '../timeline/watch.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const EXAMPLE = path.join(ROOT, 'examples', 'licence-audit')
const REPORT = 'report/licence-audit.md'
const SIGNAL = 'approved'

/** A model of the user's own is used when there is one. */
const standInIfNeeded = async (call: CommandCall): Promise<StandInProcess | undefined> => {
  const own = call.io.env.MODEL_BASE_URL
  if (own) {
    call.say(`The agent's model: ${own}`)
    return undefined
  }
  const standIn = await startStandIn(path.join(EXAMPLE, 'stand-in.yaml'))
  call.say(
    call.style.yellow('No model is configured (MODEL_BASE_URL): a STAND-IN answers by a script. It is no model.'),
  )
  return standIn
}

const demo = async (call: CommandCall): Promise<number> => {
  const { io, style, isJson } = call
  const { readConfig } = await import('../../config.ts')
  const { startApp } = await import('../../app.ts')
  const dataDir = path.resolve('.aidos', 'demo')
  // Fresh each time: what an earlier demo left would only confuse.
  await rm(dataDir, { recursive: true, force: true })
  const standIn = await standInIfNeeded(call)
  let stopApp = async (): Promise<void> => {}
  try {
    const config = readConfig({
      ...io.env,
      AIDOS_ROLES: 'all',
      AIDOS_DATA_DIR: dataDir,
      AIDOS_FILES_ROOT: ROOT,
      DB_CLIENT: 'sqlite',
      REDIS_MODE: 'none',
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: io.env.LOG_LEVEL || 'warn',
      ...(standIn ? standInSettings(standIn, io.env.OUTBOUND_ALLOW) : {}),
    })
    const app = await startApp({
      config,
      load: [EXAMPLE],
      onLoaded: (lines) => call.say(lines.map((line) => `${style.green('loaded')} ${line}`).join('\n')),
    })
    stopApp = app.stop
    if (app.url === undefined || app.key === undefined) throw cliErrors.demo_failed('the server gave no address or key')
    call.say(`All roles run in this process, at ${style.cyan(app.url)}, on an embedded database in ${dataDir}\n`)
    const client = makeClient({ url: app.url, key: app.key })
    const started = await client.runs.start({
      workflow: 'licence-audit',
      input: { lockFile: 'package-lock.json', report: REPORT },
    })
    let approval: Promise<unknown> = Promise.resolve()
    const ended = await watchRun({
      client,
      run: started,
      output: io.stdout,
      style,
      isJson,
      onEvent({ type, data, runId }) {
        if (type !== 'signal.waiting' || data.signal !== SIGNAL || runId !== started.id) return
        // The run waits for a person; here the demo is that person.
        approval = client.runs.signal(started.id, SIGNAL, { approved: true, by: 'the demo' })
      },
    })
    await approval
    const report = path.join(ROOT, REPORT)
    if (isJson) io.stdout.write(`${JSON.stringify({ run: ended, report, standIn: standIn !== undefined })}\n`)
    if (ended.status !== 'completed') {
      throw cliErrors.demo_failed(`the run ended as ${ended.status}: ${ended.error?.message ?? 'no reason was given'}`)
    }
    call.say(whatNext(call, report, standIn !== undefined))
    return 0
  } finally {
    await stopApp()
    await standIn?.stop()
  }
}

const whatNext = ({ style }: CommandCall, report: string, isStandIn: boolean): string => {
  const { bold, cyan, yellow, dim } = style
  return [
    '',
    `${bold('The report:')} ${report}`,
    ...(isStandIn
      ? [yellow('Its findings were written by the stand-in, by a script over the real data, not by a model.')]
      : []),
    '',
    bold('What happened'),
    '  A States Language workflow read package-lock.json, looked into each installed package (in parallel), grouped the licences',
    '  with a sandboxed function, had an agent write the findings, waited for an approval (given by the demo itself), and wrote',
    '  the report. Every step was written down as it finished: killed at any moment, the run would have gone on where it was.',
    '',
    bold('What to try next'),
    `  ${cyan('npm start -- --load examples/order-refund')}      a server that stays, with a workflow in TypeScript`,
    `  ${cyan('npx aidos run order-refund --input \'{"orderId":"A-1","amount":40}\' --watch')}`,
    `      ${dim('in another terminal: a step, a task, a sleep and a signal')}`,
    `  ${cyan('npx aidos --help')}      all commands; the HTTP API is at /docs of a running server`,
    `  ${dim('An agent with a model of yours: MODEL_BASE_URL, MODEL_API_KEY and MODEL_NAME, see .env.example')}`,
  ].join('\n')
}

export const demoCommand: Command = {
  name: 'demo',
  summary: 'See it work: an audit of the licences of this very project, in under a minute',
  about: `Starts the whole system in this process on a fresh database in .aidos/demo, loads examples/licence-audit, runs it on this
project's own package-lock.json and installed packages, gives the approval that the run waits for, and stops everything again. The
report is left in report/licence-audit.md. Needs no network and no model: without MODEL_BASE_URL a stand-in answers by a script.`,
  examples: [{ line: 'demo', about: 'Watch the timeline as it happens.' }],
  next: [
    'aidos start            run the system for yourself',
    'examples/              what was run, to read and change',
  ],
  run: demo,
}
