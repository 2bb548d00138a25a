import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Handle } from '../platform/db/database.ts'
import { insertEvent } from '../platform/db/group-commit.ts'
import { writeEvent } from '../platform/events/write.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { type AuditedCall, makeAudit } from './audit.ts'

const call: AuditedCall = {
  principal: {
    kind: 'key',
    tenantId: 't1',
    projectId: null,
    keyId: 'k1',
    name: 'ci',
    memberId: null,
    role: null,
    permissions: new Set(),
  },
  permission: 'agents:write',
  target: null,
  request: 'POST /v1/agents',
  requestId: 'r1',
  address: '127.0.0.1',
  userAgent: 'test',
}

for (const database of DATABASES) {
  const setUp = async () => {
    const { db: opened } = await database.open()
    const clock = makeFakeClock()
    const audit = makeAudit({ db: opened, clock, makeId: makeIdGenerator(clock.now) })
    const event = (type: string, data: Record<string, string> = {}) => ({
      ...{ tenantId: 't1', projectId: null, runId: null, taskId: null, type, data, atMs: clock.now() },
    })
    const change = (tx: Handle, type: string, name: string) => writeEvent(tx, event(type, { name }))
    const entries = async (tenantId = 't1') => audit.entries(tenantId, { limit: 100 })
    const shown = async () =>
      (await entries()).map(({ action, target, outcome, code }) => [action, target, outcome, ...(code ? [code] : [])])
    return { opened, audit, clock, event, change, entries, shown }
  }
  const name = (title: string): string => `the audit log on ${database.name} ${title}`

  test(name('has who did what to which thing, when and from where'), async () => {
    const { audit, change, entries, clock } = await setUp()
    await audit.during(call, () => audit.db.transaction((tx) => change(tx, 'agent.created', 'clerk')))
    const [entry, ...others] = await entries()
    assert.deepEqual(others, [])
    const { id, ...rest } = entry!
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.deepEqual(rest, {
      ...{ tenantId: 't1', projectId: null, actorKind: 'key', actorId: 'k1', actorName: 'ci' },
      ...{ action: 'agent.created', target: 'clerk', outcome: 'done', code: null, request: 'POST /v1/agents' },
      ...{ requestId: 'r1', address: '127.0.0.1', userAgent: 'test', createdAtMs: clock.now() },
    })
    assert.deepEqual(await entries('t2'), [])
  })

  test(name('has nothing of a change that was rolled back'), async () => {
    const { audit, change, shown } = await setUp()
    const failing = audit.during(call, () =>
      audit.db.transaction(async (tx) => {
        await change(tx, 'agent.created', 'clerk')
        throw new Error('no')
      }),
    )
    await assert.rejects(failing, /no/)
    assert.deepEqual(await shown(), [])
  })

  test(name('takes the change along: where the entry cannot be written, nothing is'), async () => {
    const { opened, audit, change } = await setUp()
    const tooLong = { ...call, principal: { ...call.principal!, name: null as unknown as string } }
    await assert.rejects(
      audit.during(tooLong, () => audit.db.transaction((tx) => change(tx, 'agent.created', 'clerk'))),
    )
    const events = opened.primary.withTables<{ events: { id: number } }>().selectFrom('events').selectAll()
    assert.deepEqual(await events.execute(), [])
  })

  test(name('has one entry for a call, also where it makes several changes'), async () => {
    const { audit, change, shown } = await setUp()
    await audit.during(call, async () => {
      await audit.db.transaction(async () => 'reads alone')
      await audit.db.transaction((tx) => change(tx, 'tenant.created', 'other'))
      await audit.db.transaction((tx) => change(tx, 'key.created', 'first'))
    })
    assert.deepEqual(await shown(), [['tenant.created', 'other', 'done']])
  })

  test(name('says that a call broke off after it had changed something'), async () => {
    const { audit, change, shown, clock } = await setUp()
    const failing = audit.during(call, async () => {
      await audit.db.transaction((tx) => change(tx, 'tenant.created', 'other'))
      clock.advance(1)
      throw Object.assign(new Error('no'), { code: 'key_broken' })
    })
    await assert.rejects(failing, /no/)
    assert.deepEqual(await shown(), [
      ['agents:write', null, 'failed', 'key_broken'],
      ['tenant.created', 'other', 'done'],
    ])
  })

  test(name('has the group commit’s changes too, in the unit that makes them'), async () => {
    const { audit, event, shown } = await setUp()
    const created = { ...event('run.created'), runId: 'run-1' }
    await audit.during(call, () => audit.db.commit({ writes: [], events: [created] }))
    assert.deepEqual(await shown(), [['run.created', 'run-1', 'done']])
    const broken = { statement: insertEvent, row: [null, null, null, null, null, null, null] }
    await assert.rejects(audit.during(call, () => audit.db.commit({ writes: [broken], events: [created] })))
    assert.equal((await shown()).length, 1)
  })

  test(name('leaves alone what goes on after the call, and what no call asked for'), async () => {
    const { audit, change, shown } = await setUp()
    let later: Promise<void> | undefined
    let go = (): void => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    await audit.during(call, async () => {
      later = gate.then(() => audit.db.transaction((tx) => change(tx, 'run.completed', 'late')))
    })
    go()
    await later
    await audit.db.transaction((tx) => change(tx, 'run.completed', 'alone'))
    assert.deepEqual(await shown(), [])
  })

  test(name('cannot be changed or emptied, not even by the database’s user'), async () => {
    const { opened, audit, shown } = await setUp()
    await audit.denied(call, 'forbidden')
    const tables = (tx: Handle) => tx.withTables<{ audit_log: { action: string } }>()
    const tries: ((tx: Handle) => Promise<unknown>)[] = [
      (tx: Handle) => tables(tx).updateTable('audit_log').set({ action: 'other' }).execute(),
      (tx: Handle) => tables(tx).deleteFrom('audit_log').execute(),
    ]
    for (const attempt of tries) await assert.rejects(opened.transaction(attempt), /append-only/)
    assert.deepEqual(await shown(), [['agents:write', null, 'denied', 'forbidden']])
  })

  test(name('is read page by page, newest first, by actor, action, target, outcome and time'), async () => {
    const { audit, change, clock } = await setUp()
    const startMs = clock.now()
    for (let i = 0; i < 5; i++) {
      const principal = { ...call.principal!, keyId: i % 2 ? 'odd' : 'even' }
      await audit.during({ ...call, principal }, () =>
        audit.db.transaction((tx) => change(tx, i < 3 ? 'agent.created' : 'agent.paused', `a${i}`)),
      )
      clock.advance(1000)
    }
    const targets = async (filter: object) =>
      (await audit.entries('t1', { limit: 100, ...filter })).map(({ target }) => target).join(' ')
    assert.equal(await targets({}), 'a4 a3 a2 a1 a0')
    assert.equal(await targets({ actorId: 'odd' }), 'a3 a1')
    assert.equal(await targets({ action: 'agent.paused' }), 'a4 a3')
    assert.equal(await targets({ target: 'a2' }), 'a2')
    assert.equal(await targets({ outcome: 'denied' }), '')
    assert.equal(await targets({ fromMs: startMs + 1000, toMs: startMs + 3000 }), 'a2 a1')
    const first = await audit.entries('t1', { limit: 2 })
    assert.equal(await targets({ after: first.at(-1) }), 'a2 a1 a0')
  })
}
