/** An agent's loop on a real engine, asking the model stand-in over HTTP; its tools are handlers of the test. */
import assert from 'node:assert/strict'
import { after, afterEach } from 'node:test'
import { type AgentConfigInput, parseConfig } from '../../src/agents/config.ts'
import { makeAgentLoop } from '../../src/agents/loop.ts'
import type { StandInScriptInput } from '../../src/agents/stand-in/script.ts'
import { type ModelStandIn, makeModelStandIn } from '../../src/agents/stand-in/stand-in.ts'
import { compileSchema, makeSkillTools, makeTestModel, revealSecret, tool } from '../../src/agents/testing.ts'
import type { TurnOptions } from '../../src/agents/turn.ts'
import type { AgentOutput, SkillTools } from '../../src/agents/types.ts'
import type { Run } from '../../src/engine/index.ts'
import type { Database } from '../../src/platform/db/database.ts'
import type { TaskHandler } from '../../src/tasks/index.ts'
import { startTestEngine, type TestEngine } from './engine.ts'

export interface LoopSetup {
  readonly db: Database
  readonly script: StandInScriptInput
  readonly config?: Partial<AgentConfigInput>
  /** In place of the tools' own. */
  readonly handlers?: Record<string, TaskHandler>
  readonly skills?: SkillTools
  readonly checkQuota?: TurnOptions['checkQuota']
  readonly onUsage?: TurnOptions['onUsage']
}

export interface LoopTests {
  /** Starts a stand-in and an engine whose workflow `clerk` is the loop. */
  begin(setup: LoopSetup): Promise<TestEngine>
  /** Another engine over the same database, as after a restart. */
  beginAgain(setup: LoopSetup, crashed: TestEngine): Promise<TestEngine>
  crash(engine: TestEngine): Promise<void>
  /** The stand-in of this test. */
  readonly standIn: ModelStandIn
}

const usualSkills = makeSkillTools(tool('weather', 'now', 'city'), tool('math', 'add', 'a', 'b'))
const handlers: Record<string, TaskHandler> = {
  'skill:weather/now': async (input) => ({ sky: `grey over ${(input as { city: string }).city}` }),
  'skill:math/add': async (input) => Number((input as { a: string }).a) + Number((input as { b: string }).b),
}

/** To be called once, at the top of a test file; what a test starts is stopped at its end. */
export const makeLoopTests = (): LoopTests => {
  const { model, stop } = makeTestModel()
  const engines = new Set<TestEngine>()
  let standIn: ModelStandIn | undefined
  after(stop)
  afterEach(async () => {
    for (const engine of engines) await engine.stop()
    engines.clear()
    await standIn?.stop()
    standIn = undefined
  })

  const started = (): ModelStandIn => {
    assert.ok(standIn, 'the stand-in has not been started')
    return standIn
  }

  const startEngine = async (setup: LoopSetup, tenantId?: string): Promise<TestEngine> => {
    const clerk = makeAgentLoop({
      name: 'clerk',
      config: parseConfig({ instructions: 'You are a clerk.', skills: ['weather', 'math'], ...setup.config }),
      skills: setup.skills ?? usualSkills,
      model,
      defaultModel: { baseUrl: started().url, apiKey: 'k', model: 'stand-in' },
      compileSchema,
      revealSecret,
      projectId: null,
      checkQuota: setup.checkQuota,
      onUsage: setup.onUsage,
      turnRetry: { attempts: 4, delay: 1 },
    })
    const engine = await startTestEngine({
      db: setup.db,
      workflows: { clerk },
      handlers: { ...handlers, ...setup.handlers },
      ...(tenantId !== undefined && { tenantId }),
    })
    engines.add(engine)
    return engine
  }

  return {
    get standIn() {
      return started()
    },
    async begin(setup) {
      standIn = await makeModelStandIn({ script: setup.script })
      return startEngine(setup)
    },
    beginAgain: (setup, { tenantId }) => startEngine(setup, tenantId),
    async crash(engine) {
      // What it waits for never comes: it is not stopped again.
      engines.delete(engine)
      await engine.crash()
    },
  }
}

export const callWeather = (city: string) => ({ name: 'weather__now', input: { city } })

/** A reply that holds all that the tools have told. */
export const tellResults = { text: '{% $string(results.value) %}' }

/** The output of a run that must have completed. */
export const outputOf = (run: Run): AgentOutput => {
  assert.equal(run.status, 'completed', JSON.stringify(run.error))
  return run.output as unknown as AgentOutput
}
