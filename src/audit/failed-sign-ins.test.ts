import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeLog } from '../platform/log.ts'
import { makeFailedSignIns } from './failed-sign-ins.ts'
import type { AuditTables } from './schema.ts'

const HOUR_MS = 3_600_000

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const operator: { id?: string } = { id: 't1' }
    const failed = makeFailedSignIns({
      ...{ db, clock, makeId: makeIdGenerator(clock.now), log: makeLog('silent') },
      operatorId: () => operator.id,
    })
    const add = (address: string) =>
      failed.add({
        by: 'key',
        code: 'unauthenticated',
        request: 'GET /v1/runs',
        requestId: 'r',
        address,
        userAgent: 'x',
      })
    const rows = () => db.primary.withTables<AuditTables>().selectFrom('audit_log').selectAll().execute()
    return { clock, operator, failed, add, rows }
  }
  const name = (title: string): string => `failed sign-ins on ${database.name} ${title}`

  test(name('stand in the log of the operator, with the address as who did it'), async () => {
    const { add, rows, clock } = await setUp()
    await add('10.0.0.1')
    const [{ id: _, ...row } = { id: '' }, ...others] = await rows()
    assert.deepEqual(others, [])
    assert.deepEqual(
      { ...row },
      {
        ...{ tenant_id: 't1', project_id: null, actor_kind: 'nobody', actor_id: '10.0.0.1', actor_name: 'key' },
        ...{ action: 'sign_in.failed', target: null, outcome: 'denied', code: 'unauthenticated' },
        ...{ request: 'GET /v1/runs', request_id: 'r', address: '10.0.0.1', user_agent: 'x', created_at: clock.now() },
      },
    )
  })

  test(name('are few of an address: a flood leaves ten an hour, and hides nobody else'), async () => {
    const { add, rows, clock, failed } = await setUp()
    for (let i = 0; i < 50; i++) await add('10.0.0.1')
    await add('10.0.0.2')
    const from = async (address: string) => (await rows()).filter((row) => row.address === address).length
    assert.deepEqual([await from('10.0.0.1'), await from('10.0.0.2')], [10, 1])
    assert.deepEqual(failed.counted, { written: 11, passed_over: 40 })
    clock.advance(2 * HOUR_MS)
    await add('10.0.0.1')
    assert.equal(await from('10.0.0.1'), 11)
  })

  test(name('are few of all: a flood from many addresses leaves two hundred an hour'), async () => {
    const { add, rows } = await setUp()
    for (let i = 0; i < 220; i++) await add(`10.0.1.${i}`)
    assert.equal((await rows()).length, 200)
  })

  test(name('leave nothing while there is no operator'), async () => {
    const { add, rows, operator } = await setUp()
    delete operator.id
    await add('10.0.0.1')
    assert.deepEqual(await rows(), [])
  })
}
