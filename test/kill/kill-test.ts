/** Kills a server at random moments of a long run, starts it again each time, and gathers what happened. */
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ModelStandIn, makeModelStandIn } from '../../src/agents/stand-in/stand-in.ts'
import { type Client, makeClient } from '../../src/sdk/index.ts'
import { freePort } from '../support/free-port.ts'
import type { Check } from './checks.ts'
import { readEffects } from './effects.ts'
import { makeRandom, type Random } from './random.ts'
import { readRemains } from './remains.ts'
import { type Server, startServer } from './server.ts'
import { type Ended, judge, type Story } from './verdict.ts'
import { makeWitness, type Witness } from './witness.ts'

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

/** A life in three ends before the server is ready or has done anything: recovery itself must survive a kill. */
const EARLY_SHARE = 0.2
const LONGEST_EXTRA_MS = 20
/** A life in which nothing happens for so long is over: there may be nothing left to do. */
const QUIET_LIFE_MS = 3000
const TASKS_PER_LIFE = 2
const END_WITHIN_MS = 60_000
const MODEL_MS = 15

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

const sizeOf = async (file: string): Promise<number> => (await stat(file).catch(() => undefined))?.size ?? 0

/** Waits until the file has grown by some lines, or nothing has happened for long. */
const grown = async (file: string, lines: number): Promise<void> => {
  const before = readEffects(file).length
  let lastSize = -1
  for (let quietSinceMs = performance.now(); performance.now() - quietSinceMs < QUIET_LIFE_MS; await pause(2)) {
    const size = await sizeOf(file)
    if (size === lastSize) continue
    lastSize = size
    quietSinceMs = performance.now()
    if (readEffects(file).length - before >= lines) return
  }
}

export const runKillTest = async (options: KillTestOptions): Promise<KillTestResult> => {
  const { seed, kills, steps, folder, say } = options
  const random = makeRandom(seed)
  const turns = Math.max(3, Math.ceil(kills / 2))
  const file = join(folder, 'effects.jsonl')
  const dataDir = join(folder, 'data')
  await mkdir(dataDir)
  const standIn = await standInFor(turns)
  const port = await freePort()
  const witness = makeWitness()
  const lives: Server[] = []
  const start = (): Server => {
    const server = startServer({
      port,
      dataDir,
      load: [fileURLToPath(new URL('code', import.meta.url))],
      env: { MODEL_BASE_URL: standIn.url, MODEL_NAME: 'stand-in', OUTBOUND_ALLOW: new URL(standIn.url).host },
    })
    lives.push(server)
    return server
  }
  try {
    const begun = await begin(start(), { file, steps })
    let killed = 0
    let startMs = 0
    while (killed < kills) {
      const server = lives.at(-1) as Server
      const linesLeft = steps - new Set(readEffects(file).map((effect) => effect.step)).size
      const plan = planKill(random, { startMs, isFirst: killed === 0, linesPerKill: linesLeft / (kills - killed) })
      const bornMs = performance.now()
      if (plan.early !== undefined) await pause(plan.early)
      else {
        await server.ready()
        startMs = performance.now() - bornMs
        void begun.promise(server, file, killed)
        await grown(file, plan.lines)
        await pause(plan.extraMs)
      }
      await server.kill('SIGKILL')
      killed++
      await look(witness, { dataDir, file, standIn })
      const { steps: heldSteps, tasks, turns: heldTurns } = witness.held
      say(`kill ${killed}: ${plan.text}; held to ${heldSteps} steps, ${tasks} tasks, ${heldTurns} turns`)
      start()
    }
    const last = lives.at(-1) as Server
    await last.ready()
    const [run, agent] = await ended(await clientOf(last), begun)
    await allDone(await clientOf(last))
    await last.kill('SIGTERM')
    await look(witness, { dataDir, file, standIn })
    const remains = await readRemains(dataDir)
    const effects = readEffects(file)
    const modelCalls = standIn.calls().total
    const story = { steps, turns, kills, killed, run, agent, modelCalls, promised: begun.promised, remains, effects }
    return { checks: judge(story, witness), summary: summarize(story, witness) }
  } finally {
    await Promise.all(lives.map((server) => server.kill('SIGKILL')))
    await standIn.stop()
  }
}
