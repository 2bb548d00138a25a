import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { callWeather, makeLoopTests, outputOf, tellResults } from '../../test/support/agent-loop.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { until } from '../../test/support/until.ts'
import { NonRetryableError, type Run } from '../engine/index.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError } from '../platform/errors.ts'
import { makeEventLog } from '../platform/events/log.ts'
import type { Json } from '../platform/json.ts'

const loop = makeLoopTests()

const logOf = async (db: Database, run: Run): Promise<{ message: string; data: Record<string, Json> }[]> => {
  const events = await makeEventLog(db).read({ tenantId: run.tenantId, runId: run.id, afterId: 0, limit: 500 })
  const lines = events.filter(({ type }) => type === 'run.log')
  return lines.map(({ data }) => ({ message: String(data.message), data: (data.data ?? {}) as Record<string, Json> }))
}

for (const database of DATABASES) {
  const onDatabase = (title: string, body: (db: Database) => Promise<void>): void => {
    test(`agent loop on ${database.name}: ${title}`, async () => body((await database.open()).db))
  }

  onDatabase('an agent uses two tools, one after the other, and answers', async (db) => {
    const engine = await loop.begin({
      db,
      script: {
        rules: [
          { when: { turn: 1, system: 'clerk', lastMessage: '^Bonn$' }, reply: { toolCalls: [callWeather('Bonn')] } },
          { when: { tool: 'weather__now' }, reply: { toolCalls: [{ name: 'math__add', input: { a: '1', b: '2' } }] } },
          { when: { tool: 'math__add' }, reply: tellResults },
        ],
      },
    })
    const run = await engine.result('clerk', 'Bonn')
    const output = outputOf(run)
    assert.deepEqual(JSON.parse(output.text), [{ sky: 'grey over Bonn' }, 3])
    assert.equal(output.turns, 3)
    assert.ok(output.usage.inputTokens > 0 && output.usage.outputTokens > 0)
    assert.equal(output.usage.totalTokens, output.usage.inputTokens + output.usage.outputTokens)
    const journal = await engine.engine.runs.journal(run.id)
    assert.deepEqual(
      journal.map(({ kind, key }) => [kind, key]),
      [
        ['step', 'turn'],
        ['task', 'skill:weather/now'],
        ['step', 'turn#2'],
        ['task', 'skill:math/add'],
        ['step', 'turn#3'],
      ],
    )
    for (const key of ['turn', 'turn#2', 'turn#3'])
      assert.deepEqual(loop.standIn.callsFor(`${run.id}/${key}`), { calls: 1, answered: 1 })
  })

  onDatabase('a run whose tenant has used up its quota ends before the next call of the model', async (db) => {
    let isUsedUp = false
    const counted: [number, string][] = []
    const engine = await loop.begin({
      db,
      script: {
        rules: [{ when: { turn: 1 }, reply: { toolCalls: [callWeather('Ulm')] } }, { reply: { text: 'done' } }],
      },
      async checkQuota() {
        if (isUsedUp) throw new AppError('quota_exceeded', 'the daily quota of tokens is used up', { status: 429 })
      },
      async onUsage(_, { totalTokens }, model) {
        counted.push([totalTokens, model])
        isUsedUp = true
      },
    })
    const run = await engine.result('clerk', 'Ulm')
    assert.deepEqual([run.status, run.error?.code], ['failed', 'quota_exceeded'])
    assert.equal(loop.standIn.calls().total, 1)
    assert.deepEqual(
      counted.map(([tokens, model]) => [tokens > 0, model]),
      [[true, 'stand-in']],
    )
    const journal = await engine.engine.runs.journal(run.id)
    assert.deepEqual(
      journal.map(({ key }) => key),
      ['turn', 'skill:weather/now', 'turn#2'],
    )
  })

  onDatabase('the timeline tells of turns with their tokens and of calls', async (db) => {
    const engine = await loop.begin({
      db,
      script: {
        rules: [{ when: { turn: 1 }, reply: { toolCalls: [callWeather('Ulm')] } }, { reply: { text: 'done' } }],
      },
    })
    const run = await engine.result('clerk', 'Ulm')
    const log = await logOf(db, run)
    assert.deepEqual(
      log.map(({ message }) => message.replace(/\d+ tokens/, 'N tokens')),
      ['turn 1: calls weather__now, N tokens', 'calls weather__now', 'turn 2: answers, N tokens'],
    )
    assert.deepEqual([log[0]?.data.finishReason, log[2]?.data.finishReason], ['tool-calls', 'stop'])
    assert.equal(Number(log[0]?.data.totalTokens) + Number(log[2]?.data.totalTokens), outputOf(run).usage.totalTokens)
  })

  onDatabase(
    'several calls of one turn are under way at the same time, and their results keep the order',
    async (db) => {
      let together = 0
      let most = 0
      const engine = await loop.begin({
        db,
        script: {
          rules: [
            { when: { turn: 1 }, reply: { toolCalls: ['a', 'b', 'c'].map(callWeather) } },
            { reply: tellResults },
          ],
        },
        handlers: {
          async 'skill:weather/now'(input) {
            most = Math.max(most, ++together)
            const { city } = input as { city: string }
            await until('all three to be under way', () => most === 3)
            // The first to be asked is the last to answer.
            await wait({ a: 60, b: 40, c: 20 }[city])
            together--
            return city
          },
        },
      })
      const output = outputOf(await engine.result('clerk', 'all'))
      assert.deepEqual(JSON.parse(output.text), ['a', 'b', 'c'])
      assert.equal(most, 3)
    },
  )

  onDatabase('the model is told of a tool that failed, and the run goes on', async (db) => {
    const engine = await loop.begin({
      db,
      script: {
        rules: [
          {
            when: { turn: 1 },
            reply: { toolCalls: [callWeather('Bonn'), { name: 'math__add', input: { a: '1', b: '1' } }] },
          },
          { reply: tellResults },
        ],
      },
      handlers: {
        async 'skill:weather/now'() {
          throw new NonRetryableError('no satellite', { code: 'no_satellite' })
        },
      },
    })
    const run = await engine.result('clerk', 'x')
    assert.deepEqual(JSON.parse(outputOf(run).text), [{ error: { code: 'no_satellite', message: 'no satellite' } }, 2])
    assert.ok((await logOf(db, run)).some(({ message }) => message === 'the call of weather__now failed: no satellite'))
  })

  onDatabase(
    'the model is told of a tool that does not exist and of input that does not fit; no task is made',
    async (db) => {
      const engine = await loop.begin({
        db,
        script: {
          rules: [
            {
              when: { turn: 1 },
              reply: { toolCalls: [{ name: 'weather__tomorrow' }, { name: 'weather__now', input: { town: 'Bonn' } }] },
            },
            { reply: tellResults },
          ],
        },
      })
      const run = await engine.result('clerk', 'x')
      const told = JSON.parse(outputOf(run).text) as { error: { code: string; message: string } }[]
      assert.match(told[0]!.error.message, /no tool named "weather__tomorrow"/)
      assert.match(told[1]!.error.message, /does not fit: \/city is missing; \/town is not a known field/)
      assert.deepEqual(
        (await engine.engine.runs.journal(run.id)).map(({ key }) => key),
        ['turn', 'turn#2'],
      )
    },
  )

  onDatabase('tool input that is no JSON is told to the model', async (db) => {
    const engine = await loop.begin({
      db,
      script: {
        rules: [
          { when: { turn: 1 }, reply: { toolCalls: [callWeather('Bonn')] }, fault: { malformed: 'toolInput' } },
          { reply: tellResults },
        ],
      },
    })
    const told = JSON.parse(outputOf(await engine.result('clerk', 'x')).text) as { error: { message: string } }
    assert.deepEqual([told].flat()[0]?.error.message, 'the input is not valid JSON')
  })

  onDatabase('an agent that has made its turns ends, and says which budget and how much', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { toolCalls: [callWeather('Bonn')] } }] },
      config: { budgets: { turns: 2 } },
    })
    const run = await engine.result('clerk', 'x')
    assert.equal(run.status, 'failed')
    assert.equal(run.error?.code, 'agent_budget_exceeded')
    assert.deepEqual(run.error?.details, { budget: 'turns', used: 2, limit: 2 })
    assert.match(run.error.message, /"turns".*2 of 2/)
    assert.equal(loop.standIn.calls().total, 2)
  })

  onDatabase('the end of a budget is an event of its own, once, just before the end of the run', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { toolCalls: [callWeather('Bonn')] } }] },
      config: { budgets: { turns: 1 } },
    })
    const { tenantId, id: runId } = await engine.result('clerk', 'x')
    const events = await makeEventLog(db).read({ tenantId, runId, afterId: 0, limit: 500 })
    assert.equal(events.filter(({ type }) => type === 'agent.budget_exceeded').length, 1)
    const [spent, end] = events.slice(-2)
    assert.deepEqual([spent?.type, end?.type], ['agent.budget_exceeded', 'run.failed'])
    assert.deepEqual(spent?.data, { name: 'clerk', budget: 'turns', used: 1, limit: 1 })
  })

  onDatabase('an agent that has used its tokens makes no further turn', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { toolCalls: [callWeather('Bonn')] } }] },
      config: { budgets: { tokens: 10 } },
    })
    const { error } = await engine.result('clerk', 'x')
    const details = error?.details as { budget: string; used: number; limit: number }
    assert.deepEqual([error?.code, details.budget, details.limit], ['agent_budget_exceeded', 'tokens', 10])
    assert.ok(details.used > 10)
    assert.equal(loop.standIn.calls().total, 1)
  })

  onDatabase('an agent whose time is up makes no further turn', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { toolCalls: [callWeather('Bonn')] }, fault: { slowMs: 60 } }] },
      config: { budgets: { wallTime: '50 ms' } },
    })
    const { error } = await engine.result('clerk', 'x')
    const details = error?.details as { budget: string; used: number; limit: number }
    assert.deepEqual([error?.code, details.budget, details.limit], ['agent_budget_exceeded', 'wallTime', 50])
    assert.ok(details.used >= 50)
    assert.equal(loop.standIn.calls().total, 1)
  })

  const verdict = {
    type: 'object',
    required: ['amount'],
    properties: { amount: { type: 'integer', minimum: 1 } },
    additionalProperties: false,
  }

  onDatabase('an answer that does not follow the schema is mended by the model', async (db) => {
    const engine = await loop.begin({
      db,
      script: {
        rules: [
          { when: { turn: 1, output: true }, reply: { output: { amount: 0 } } },
          { when: { turn: 2, lastMessage: '/amount must be >= 1' }, reply: { text: 'five' } },
          { when: { turn: 3, lastMessage: 'the answer is no JSON' }, reply: { output: { amount: 5 } } },
        ],
      },
      config: { output: verdict },
    })
    const output = outputOf(await engine.result('clerk', { order: 7 }))
    assert.deepEqual([output.output, output.text, output.turns], [{ amount: 5 }, '{"amount":5}', 3])
  })

  onDatabase('an agent that never follows its schema fails after two repairs', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { output: { amount: 'many' } } }] },
      config: { output: verdict },
    })
    const { status, error } = await engine.result('clerk', 'x')
    assert.deepEqual([status, error?.code, loop.standIn.calls().total], ['failed', 'agent_output_invalid', 3])
    assert.match(error?.message ?? '', /\/amount must be integer/)
  })

  onDatabase('a conversation is continued', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ when: { turn: 2 }, reply: { text: '{% $string(messages.content) %}' } }] },
    })
    const messages = [
      { role: 'user', text: 'I am Ada.' },
      { role: 'assistant', text: 'Hello Ada.' },
      { role: 'user', text: 'Who am I?' },
    ]
    const { text } = outputOf(await engine.result('clerk', { messages }))
    assert.deepEqual(JSON.parse(text), ['You are a clerk.', 'I am Ada.', 'Hello Ada.', 'Who am I?'])
  })
}
