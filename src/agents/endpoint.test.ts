import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './config.ts'
import { endpointOf } from './endpoint.ts'

const operators = { baseUrl: 'https://operator.example/v1', apiKey: 'secret', model: 'm' }
const endpoint = (model: object) => endpointOf(parseConfig({ instructions: 'x', model }), operators)

test("endpointOf() sends the operator's key to the operator's address alone", () => {
  assert.deepEqual(endpoint({}), operators)
  assert.deepEqual(endpoint({ name: 'big' }), { ...operators, model: 'big' })
  assert.deepEqual(endpoint({ baseUrl: operators.baseUrl, name: 'big' }), { ...operators, model: 'big' })
  const own = { baseUrl: 'https://tenant.example/v1', name: 'own' }
  assert.deepEqual(endpoint(own), { baseUrl: own.baseUrl, apiKey: undefined, model: 'own' })
})

test('endpointOf() takes a default without a model for agents that name one', () => {
  const unnamed = { ...operators, model: '' }
  assert.equal(endpointOf(parseConfig({ instructions: 'x', model: { name: 'big' } }), unnamed).model, 'big')
  assert.throws(() => endpointOf(parseConfig({ instructions: 'x' }), unnamed), { code: 'agent_model_missing' })
})
