/** The plan of the chaos test: repeatable, and complete even when it is short. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeRandom } from '../kill/random.ts'
import { makePlan, ROLE_FAULTS, SERVER_FAULTS } from './plan.ts'

test('a plan is the same for the same seed and another for another', () => {
  const plan = makePlan(180, makeRandom(7))
  assert.deepEqual(makePlan(180, makeRandom(7)), plan)
  assert.notDeepEqual(makePlan(180, makeRandom(8)), plan)
})

test('a plan has every kind of fault in its first round', () => {
  const { roles, servers } = makePlan(180, makeRandom(7))
  assert.deepEqual(
    roles
      .slice(0, ROLE_FAULTS.length)
      .map(({ kind }) => kind)
      .toSorted(),
    ROLE_FAULTS.toSorted(),
  )
  assert.deepEqual(
    servers
      .slice(0, SERVER_FAULTS.length)
      .map(({ kind }) => kind)
      .toSorted(),
    SERVER_FAULTS.toSorted(),
  )
})

test('a plan of only some kinds has no others, and no lane without any', () => {
  const { roles, servers } = makePlan(60, makeRandom(7), ['redis-flush'])
  assert.deepEqual(roles, [])
  assert.deepEqual([...new Set(servers.map(({ kind }) => kind))], ['redis-flush'])
})
