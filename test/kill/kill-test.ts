/** Kills a server at random moments of a long run, starts it again each time, and gathers what happened. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ModelStandIn, makeModelStandIn } from '../../src/agents/stand-in/stand-in.ts'
import { type Client, ConnectionError, makeClient, type RunView } from '../../src/sdk/index.ts'
import { freePort } from '../support/free-port.ts'
import { type Check, repeats } from './checks.ts'
import { effectTask, killAgent, killRun } from './code/runs.ts'
import { type Effect, readEffects } from './effects.ts'
import { makeRandom, type Random } from './random.ts'
import { readRemains } from './remains.ts'
import { type Server, startServer } from './server.ts'
import { judge, type Story } from './verdict.ts'
import { type ModelCalls, makeWitness, type Witness } from './witness.ts'

export interface KillTestOptions {
  readonly seed: number
  readonly kills: number
  /** Steps of the workflow's run. */
  readonly steps: number
  /** An empty folder of the test's own. */
  readonly folder: string
  readonly say: (line: string) => void
}

export interface KillTestResult {
  readonly checks: readonly Check[]
  readonly summary: readonly string[]
}

const CODE = fileURLToPath(new URL('code', import.meta.url))
/** Of the lives: these end while the server starts, for recovery itself must survive a kill. */
const EARLY_SHARE = 0.2
/** Of the time that the first start took; later ones have less to do. */
const EARLY_PART = 0.7
const LONGEST_EXTRA_MS = 12
/** A life in which nothing happens for so long is over: there may be nothing left to do. */
const QUIET_LIFE_MS = 3000
const TASKS_PER_LIFE = 100
const END_WITHIN_MS = 60_000
const MODEL_MS = 25
const LOOK_EVERY_MS = 50

/** Calls of `echo` as the turn's number, and an answer at the last turn. */
const standInFor = (turns: number): Promise<ModelStandIn> =>
  makeModelStandIn({
    script: {
      rules: [
        { when: { turn: turns }, reply: { text: 'done' }, fault: { slowMs: MODEL_MS } },
        { reply: { toolCalls: [{ name: 'core__echo', input: { turn: '{% turn %}' } }] }, fault: { slowMs: MODEL_MS } },
      ],
    },
  })

const isOfRun = ({ step }: Effect): boolean => step.startsWith('step ')

const sizeOf = async (file: string): Promise<number> => (await stat(file).catch(() => undefined))?.size ?? 0

/** Waits until the run has had so many more effects, or nothing has happened for long. */
const grown = async (file: string, lines: number): Promise<void> => {
  const ofRun = (): number => readEffects(file).filter(isOfRun).length
  const before = ofRun()
  let lastSize = -1
  for (let quietSinceMs = performance.now(); performance.now() - quietSinceMs < QUIET_LIFE_MS; await pause(2)) {
    const size = await sizeOf(file)
    if (size === lastSize) continue
    lastSize = size
    quietSinceMs = performance.now()
    if (ofRun() - before >= lines) return
  }
}

interface Plan {
  /** Milliseconds after the birth of the process, before it is ready; undefined: once it has done something. */
  readonly earlyMs: number | undefined
  /** Effects to wait for, and how long after them. */
  readonly lines: number
  readonly extraMs: number
}

/** Draws the same numbers whatever the case, so that a seed gives the same plans. */
const planKill = (random: Random, { startMs, linesPerKill }: { startMs: number; linesPerKill: number }): Plan => {
  const [early, moment, lines, extra] = [random(), random(), random(), random()]
  return {
    earlyMs: startMs > 0 && early < EARLY_SHARE ? moment * EARLY_PART * startMs : undefined,
    // Less than what is left for each kill, on the mean: more is done until the process is gone, and the run must outlive the kills.
    lines: 1 + Math.floor(lines * Math.max(0, 1.2 * linesPerKill - 1)),
    extraMs: extra * LONGEST_EXTRA_MS,
  }
}

const clientOf = async (server: Server): Promise<Client> => makeClient({ url: server.url, key: await server.key() })

/** Asks for tasks of their own, one after the other, until the server dies; those that were promised are noted. */
const askForTasks = async (client: Client, file: string, life: number, promised: string[]): Promise<void> => {
  for (let i = 0; i < TASKS_PER_LIFE; i++) {
    const step = `task ${life}.${i}`
    try {
      promised.push(
        (await client.tasks.create({ kind: effectTask.name, input: { file, step }, idempotencyKey: step })).id,
      )
    } catch (error) {
      if (error instanceof ConnectionError) return
      throw error
    }
  }
}

/** The run at its end, or as it is when the time is up. */
const endOf = async (client: Client, id: string): Promise<RunView> => {
  const untilMs = performance.now() + END_WITHIN_MS
  for (;;) {
    const run = await client.runs.find(id)
    if (run.finishedAt !== null || run.status === 'stopped' || performance.now() > untilMs) return run
    await pause(LOOK_EVERY_MS)
  }
}

const tasksEnded = async (client: Client): Promise<void> => {
  const untilMs = performance.now() + END_WITHIN_MS
  for (const status of ['queued', 'running', 'scheduled']) {
    while ((await client.tasks.list({ status, limit: 1 })).items.length > 0 && performance.now() < untilMs)
      await pause(LOOK_EVERY_MS)
  }
}

const summarize = (story: Story, witness: Witness): string[] => {
  const { effects, modelCalls, turns, promised } = story
  const repeated = [...repeats(effects.map((effect) => effect.idempotencyKey)).values()]
  const more = repeated.reduce((sum, count) => sum + count - 1, 0)
  const { steps, tasks, turns: heldTurns } = witness.held
  return [
    `held to ${steps} journaled steps, ${tasks} completed tasks and ${heldTurns} committed turns`,
    `${effects.length} effects; ${more} of them repeats of work that was under way at a kill`,
    `${modelCalls} calls of the model for ${turns} turns; ${promised.length} tasks promised by the API`,
  ]
}

export const runKillTest = async (options: KillTestOptions): Promise<KillTestResult> => {
  const { seed, kills, steps, folder, say } = options
  const random = makeRandom(seed)
  const turns = Math.max(3, kills)
  const file = join(folder, 'effects.jsonl')
  const dataDir = join(folder, 'data')
  const standIn = await standInFor(turns)
  const port = await freePort()
  const witness = makeWitness()
  const model: ModelCalls = { of: (runId, turnKey) => standIn.callsFor(`${runId}/${turnKey}`).calls }
  const promised: string[] = []
  const asked: Promise<void>[] = []
  let server: Server | undefined

  const start = (): Server => {
    server = startServer({
      port,
      dataDir,
      load: [CODE],
      env: { MODEL_BASE_URL: standIn.url, MODEL_NAME: 'stand-in', OUTBOUND_ALLOW: new URL(standIn.url).host },
    })
    return server
  }

  const begin = async (client: Client): Promise<readonly [string, string]> => {
    const run = await client.runs.start({ workflow: killRun.name, input: { file, steps } })
    const agent = await client.runs.start({ agent: killAgent.name, input: 'Call echo.' })
    return [run.id, agent.id]
  }

  /** One life of the server, and what it left. `startMs`: how long it took to be ready. */
  const live = async (life: number, plan: Plan): Promise<void> => {
    if (plan.earlyMs !== undefined) await pause(plan.earlyMs)
    else {
      await server!.ready()
      asked.push(askForTasks(await clientOf(server!), file, life, promised))
      await grown(file, plan.lines)
      await pause(plan.extraMs)
    }
    await server!.kill('SIGKILL')
    witness.look({ remains: await readRemains(dataDir), effects: readEffects(file), model })
  }

  try {
    const bornMs = performance.now()
    await start().ready()
    const startMs = performance.now() - bornMs
    const [runId, agentId] = await begin(await clientOf(server!))
    for (let killed = 0; killed < kills; killed++) {
      const left =
        steps -
        new Set(
          readEffects(file)
            .filter(isOfRun)
            .map((effect) => effect.step),
        ).size
      const plan = planKill(random, { startMs: killed === 0 ? 0 : startMs, linesPerKill: left / (kills - killed) })
      await live(killed, plan)
      const when =
        plan.earlyMs === undefined
          ? `${plan.extraMs.toFixed(1)} ms after ${plan.lines} effects`
          : `${plan.earlyMs.toFixed(0)} ms after its start`
      const { held } = witness
      say(
        `kill ${killed + 1}: ${when}; finished by then: ${held.steps} steps, ${held.tasks} tasks, ${held.turns} turns`,
      )
      start()
    }
    await server!.ready()
    const client = await clientOf(server!)
    const [run, agent] = await Promise.all([endOf(client, runId), endOf(client, agentId)])
    await Promise.all(asked)
    await tasksEnded(client)
    await server!.kill('SIGTERM')
    const remains = await readRemains(dataDir)
    const effects = readEffects(file)
    witness.look({ remains, effects, model })
    const modelCalls = standIn.calls().total
    const story: Story = { steps, turns, kills, run, agent, modelCalls, promised, remains, effects }
    return { checks: judge(story, witness), summary: summarize(story, witness) }
  } finally {
    await server?.kill('SIGKILL')
    await standIn.stop()
  }
}
