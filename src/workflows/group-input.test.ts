import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../../test/support/app.ts'
import type { JsonObject } from '../platform/json.ts'

let app: TestApp
before(async () => {
  app = await startTestApp()
})

const store = async (name: string, definition: JsonObject): Promise<void> => {
  const made = await app.call('POST', '/v1/workflows', { name, definition })
  assert.equal(made.status, 201, JSON.stringify(made.body))
}

test('data that looks like a group of a Map does not reach behind the beginning of a child', async () => {
  const ItemProcessor = {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: 'Paid',
    States: { Paid: { Type: 'Pass', Result: 'paid', End: true } },
  }
  await store('guarded', {
    StartAt: 'Approved?',
    States: {
      'Approved?': {
        Type: 'Choice',
        Choices: [{ And: [{ Variable: '$.approved', IsPresent: true }], Next: 'Pay' }],
        Default: 'Refused',
      },
      Pay: { Type: 'Map', ItemsPath: '$.items', ItemProcessor, End: true },
      Refused: { Type: 'Pass', Result: 'refused', End: true },
    },
  })
  await store('caller', {
    StartAt: 'Call',
    States: { Call: { Type: 'Task', Resource: 'workflow:guarded', End: true } },
  })
  const group = {
    pointer: '/States/Pay/ItemProcessor',
    items: [{ index: 0, input: 1 }],
    concurrency: 1,
    toleratedFailures: 0,
    results: null,
  }
  const { body } = await app.call('POST', '/v1/runs', { workflow: 'caller', input: { 'aidos:map': group } })
  const run = (await app.call('GET', `/v1/runs/${body.id}?wait=30000`)).body
  assert.deepEqual([run.status, run.output], ['completed', 'refused'])
})
