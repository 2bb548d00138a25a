import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { AppError, type Finding } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import type { LoadedItem } from './loader.ts'
import { type RegistrarOptions, registerAll } from './registrar.ts'

const item = {
  file: 'clerk.ts',
  definition: { kind: 'agent', name: 'clerk', config: {} },
} as unknown as LoadedItem

const optionsWith = (put: () => Promise<{ version: number }>): RegistrarOptions =>
  ({ tenantId: 'tenant', agents: { put } }) as unknown as RegistrarOptions

test('what another process registers at the same moment is looked at again', async () => {
  let refusals = 2
  const put = async (): Promise<{ version: number }> => {
    if (refusals-- > 0) throw new AppError('agent_exists', 'there is one already', { status: 409 })
    return { version: 1 }
  }
  assert.deepEqual(await registerAll([item], optionsWith(put)), ['agent "clerk" version 1 (clerk.ts)'])
})

test('a conflict that stays is told with its file, and other errors at once', async () => {
  for (const [status, most] of [
    [409, 5],
    [400, 1],
  ] as const) {
    let tries = 0
    const put = async (): Promise<never> => {
      tries++
      throw new AppError('no', 'not so', { status })
    }
    await assert.rejects(registerAll([item], optionsWith(put)), /clerk\.ts: not so/)
    assert.equal(tries, most)
  }
})

test('the finding of an input that a schema refuses has the value at its place, not the whole input', async () => {
  const checks: ((input: Json) => Promise<readonly Finding[]>)[] = []
  const workflow = { name: 'w', version: 1, run: () => null, input: z.object({ a: z.object({ n: z.number() }) }) }
  const options = {
    workflows: { register: ({ checkInput }: { checkInput: (typeof checks)[0] }) => void checks.push(checkInput) },
    engine: { programLoaded: async () => {} },
  } as unknown as RegistrarOptions
  await registerAll([{ file: 'w.ts', definition: { kind: 'workflow', ...workflow } }] as LoadedItem[], options)
  const findings = async (input: Json) => (await checks[0]?.(input))?.map(({ path, given }) => [path, given])
  assert.deepEqual(await findings({ a: { n: 'much' }, b: 1 }), [['input.a.n', 'much']])
  assert.deepEqual(await findings({ a: {} }), [['input.a.n', null]])
  assert.deepEqual(await findings(null), [['input', null]])
})
