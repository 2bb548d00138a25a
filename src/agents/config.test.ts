import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppError } from '../platform/errors.ts'
import { parseConfig } from './config.ts'

const instructions = 'You are a clerk.'

test('parseConfig() fills in what was left out', () => {
  assert.deepEqual(parseConfig({ instructions }), { model: {}, instructions, skills: [], budgets: { turns: 20 } })
  assert.deepEqual(parseConfig({ instructions, budgets: { tokens: 5 } }).budgets, { turns: 20, tokens: 5 })
})

const wrong: [what: string, config: object, path: string, message: RegExp][] = [
  ['an unknown field', { instructions, temprature: 1 }, 'config', /temprature/],
  ['a key in clear', { instructions, model: { apiKey: 'sk' } }, 'config.model.apiKey', /no key is kept in clear/],
  ['no instructions', { skills: [] }, 'config.instructions', /string/],
  [
    'an address without a model',
    { instructions, model: { baseUrl: 'https://a.example/v1' } },
    'config.model.name',
    /along with baseUrl/,
  ],
  [
    'an address that is none of HTTP',
    { instructions, model: { baseUrl: 'file:///etc/passwd', name: 'm' } },
    'config.model.baseUrl',
    /URL/,
  ],
  ['a duration that is none', { instructions, budgets: { wallTime: 'soon' } }, 'config.budgets.wallTime', /10 minutes/],
  ['a budget of no turns', { instructions, budgets: { turns: 0 } }, 'config.budgets.turns', />=1/],
  ['a schema that is no object', { instructions, output: 'text' }, 'config.output', /record/],
]
for (const [what, config, path, message] of wrong) {
  test(`parseConfig() refuses ${what}, and says where`, () => {
    assert.throws(
      () => parseConfig(config),
      (error: AppError) => {
        assert.deepEqual([error.code, error.findings?.[0]?.path], ['agent_config_invalid', path])
        assert.match(error.message, message)
        return true
      },
    )
  })
}
