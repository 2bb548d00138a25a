import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AppError } from '../platform/errors.ts'
import { compileTemplate } from './template.ts'

const facts = {
  plannedAt: '2026-03-29T01:00:00.000Z',
  plannedAtMs: Date.UTC(2026, 2, 29, 1),
  schedule: 'report',
  cause: 'planned',
  key: 'schedule:a:1',
}

describe('the template of an input', () => {
  test('is kept as it is where it holds no expression', async () => {
    const input = { a: [1, '{{ no }}', null], b: { c: 'x {% y %}' } }
    assert.deepEqual(await compileTemplate(input)(facts), input)
  })

  test('knows the fire', async () => {
    const input = { day: '{% $substring($fire.plannedAt, 0, 10) %}', of: ['{% $fire.schedule %}', 2], n: '{% 1 + 1 %}' }
    assert.deepEqual(await compileTemplate(input)(facts), { day: '2026-03-29', of: ['report', 2], n: 2 })
  })

  test('gives the same for the same fire, whenever it is asked', async () => {
    const template = compileTemplate({ at: '{% $now() %}', roll: '{% $random() %}' })
    const first = await template(facts)
    assert.deepEqual(first, await template(facts))
    assert.equal((first as { at: string }).at, facts.plannedAt)
    assert.notDeepEqual(first, await template({ ...facts, key: 'schedule:a:2' }))
  })

  test('is refused with the place of each bad expression', () => {
    assert.throws(
      () => compileTemplate({ a: '{% 1 + %}', b: ['{% $other %}'] }),
      (error: AppError) => {
        assert.equal(error.code, 'schedule_invalid')
        assert.deepEqual(
          error.findings?.map(({ path }) => path),
          ['input.a', 'input.b.0'],
        )
        assert.match(error.findings?.[1]?.message ?? '', /\$other/)
        return true
      },
    )
  })

  test('fails for the fire when it comes to nothing', async () => {
    await assert.rejects(compileTemplate({ a: '{% $fire.nothing %}' })(facts), { code: 'schedule_input_failed' })
  })
})
