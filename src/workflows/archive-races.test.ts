import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBetween } from '../../test/support/between.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeWorkflowService } from './service.ts'
import type { Workflow } from './types.ts'

const pass = (output: number) => ({
  StartAt: 'A',
  QueryLanguage: 'JSONata',
  States: { A: { Type: 'Pass', Output: output, End: true } },
})

for (const database of DATABASES) {
  const name = (title: string): string => `workflows on ${database.name}: ${title}`
  const setUp = async () => {
    const { db, meanwhile } = makeBetween((await database.open()).db)
    const clock = makeFakeClock()
    const workflows = makeWorkflowService({ db, clock, makeId: makeIdGenerator(), cacheMs: 0, cacheMax: 10 })
    const put = (output: number) =>
      workflows.put({ tenantId: 't', projectId: null, name: 'w', definition: pass(output) })
    await put(1)
    return { workflows, put, meanwhile }
  }

  test(name('one that got another version while it was archived has it, and takes the next'), {
    timeout: 20_000,
  }, async () => {
    const { workflows, put, meanwhile } = await setUp()
    meanwhile(() => put(2))
    const archived = await workflows.archive('t', 'w')
    assert.deepEqual([archived.status, archived.version], ['archived', 2])
    assert.equal((await put(3)).workflow.version, 3)
    assert.deepEqual((await workflows.show('t', 'w')).definition, pass(3))
  })

  test(name('one that was archived while it got another version takes it up again'), async () => {
    const { workflows, put, meanwhile } = await setUp()
    meanwhile(() => workflows.archive('t', 'w'))
    const { workflow } = await put(2)
    assert.deepEqual([workflow.status, workflow.version], ['active', 2])
  })

  test(name('a change over a reading that is old by now is refused, also when it became old just now'), async () => {
    const { workflows, put, meanwhile } = await setUp()
    const refuse = ({ version, status }: Workflow): void => {
      if (version !== 1 || status !== 'active') throw new Error('changed')
    }
    meanwhile(() => put(2))
    await assert.rejects(workflows.archive('t', 'w', refuse), /changed/)
    assert.equal((await workflows.show('t', 'w')).workflow.status, 'active')
  })
}
