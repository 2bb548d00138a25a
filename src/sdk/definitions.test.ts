import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { agent, functionSkill, task, workflow } from './index.ts'

const evaluate = async (source: string, entry: string): Promise<unknown> => {
  const module = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as Record<string, unknown>
  return module[entry]
}

describe('functionSkill()', () => {
  test('writes each form of function as an export that works by itself', async () => {
    const inputSchema = { type: 'object' }
    const forms = {
      arrow: ({ n }: { n: number }) => n + 1,
      async function({ n }: { n: number }) {
        return n + 1
      },
      method({ n }: { n: number }) {
        return n + 1
      },
      async asyncMethod({ n }: { n: number }) {
        return n + 1
      },
      bare: 'n => n.n + 1',
      asyncArrow: async ({ n }: { n: number }) => n + 1,
    }
    const tools = Object.entries(forms).map(([name, run]) => ({ name, description: name, inputSchema, run }))
    const skill = functionSkill({ name: 'counting', description: 'Counts.', tools })
    for (const { name, entry } of skill.definition.tools) {
      const run = (await evaluate(skill.definition.source, entry)) as (input: { n: number }) => unknown
      assert.equal(await run({ n: 1 }), 2, name)
    }
    assert.deepEqual(
      skill.definition.tools.map((tool) => tool.name),
      Object.keys(forms),
    )
  })

  test('refuses what has no text of its own', () => {
    const tool = (run: (...args: never[]) => unknown) => ({ name: 't', description: 't', inputSchema: {}, run })
    const make = (run: (...args: never[]) => unknown) => () =>
      functionSkill({ name: 's', description: 's', tools: [tool(run)] })
    assert.throws(make(Math.max as never), { code: 'definition_invalid' })
    assert.throws(make((() => 1).bind(null)), { code: 'definition_invalid' })
  })
})

describe('definitions', () => {
  test('are plain frozen objects that their kind tells', () => {
    const made = [
      workflow('w', async () => null),
      task('t', () => 1),
      agent({ name: 'a', config: { instructions: 'Be kind.' } }),
      functionSkill({
        name: 's',
        description: 's',
        tools: [{ name: 't', description: 't', inputSchema: {}, run: () => 1 }],
      }),
    ]
    assert.deepEqual(
      made.map(({ kind }) => kind),
      ['workflow', 'task', 'agent', 'skill'],
    )
    for (const definition of made) {
      assert.ok(Object.isFrozen(definition))
      assert.deepEqual(Object.getOwnPropertySymbols(definition), [])
    }
  })

  test('refuse a name or a version that the server would refuse', () => {
    assert.throws(() => workflow('no spaces', () => null), /"no spaces" cannot be the name of a workflow/)
    assert.throws(() => workflow('w', () => null, { version: 0 }), /version 0/)
    assert.throws(() => task('', () => null), { code: 'definition_invalid' })
    assert.throws(() => workflow('w', 'text' as never), /needs a function/)
  })

  test('take a schema of zod, which types the input', () => {
    const schema = z.object({ amount: z.number() })
    const made = workflow('w', (_ctx, input) => input.amount * 2, { input: schema })
    assert.equal(made.input?.['~standard'].vendor, 'zod')
  })

  test('make a task of a function that returns nothing', async () => {
    const made = task('t', () => undefined)
    assert.equal(await made.run(null, {} as never), null)
  })
})
