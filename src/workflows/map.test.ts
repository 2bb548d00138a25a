import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine, type TestEngine, type TestEngineOptions } from '../../test/support/engine.ts'
import { mapOf, pass, square, TENANT, writer } from '../../test/support/maps.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { until } from '../../test/support/until.ts'
import { systemClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { makeWorkflowService } from './service.ts'

const setUp = async (t: TestContext, open: () => Promise<{ db: Database }>) => {
  const { db } = await open()
  const root = await makeTempFolder(t)
  const workflows = makeWorkflowService({
    ...{ db, clock: systemClock, makeId: makeIdGenerator(), cacheMs: 1000, cacheMax: 10 },
    filesRoot: ({ tenantId }) => (tenantId === TENANT ? root : undefined),
  })
  const start = (more: Partial<TestEngineOptions> = {}): Promise<TestEngine> =>
    startTestEngine({ db, programs: workflows, tenantId: TENANT, ...more })
  const put = (definition: JsonObject) => workflows.put({ tenantId: TENANT, projectId: null, name: 'w', definition })
  const items = (count: number): void =>
    fs.writeFileSync(path.join(root, 'items.jsonl'), Array.from({ length: count }, (_, i) => `${i}\n`).join(''))
  const read = (file: string): Json => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'))
  return { db, root, workflows, start, put, items, read }
}

for (const database of DATABASES) {
  const name = (title: string): string => `distributed Maps on ${database.name}: ${title}`
  const open = () => database.open()

  test(name('groups of a hundred items are child runs, their results files, and the order is kept'), async (t) => {
    const { start, put, items, read } = await setUp(t, open)
    items(250)
    await put(mapOf(pass, writer))
    const engine = await start()
    const run = await engine.result('w')
    const children = await engine.engine.runs.children(run.id)
    await engine.stop()
    assert.equal(run.status, 'completed', JSON.stringify(run.error))
    assert.deepEqual(
      children.map((child) => child.status),
      ['completed', 'completed', 'completed'],
    )
    const { Key } = (run.output as { ResultWriterDetails: { Key: string } }).ResultWriterDetails
    const manifest = read(Key) as { succeeded: number; ResultFiles: { SUCCEEDED: { Key: string }[] } }
    assert.equal(manifest.succeeded, 250)
    const records = manifest.ResultFiles.SUCCEEDED.flatMap((file) => read(file.Key) as { Output: string }[])
    assert.deepEqual(
      records.map((record) => record.Output),
      Array.from({ length: 250 }, (_, i) => String(i)),
    )
    assert.deepEqual(
      manifest.ResultFiles.SUCCEEDED.map((file) => path.basename(file.Key)),
      ['SUCCEEDED_0.json', 'SUCCEEDED_1.json', 'SUCCEEDED_2.json'],
    )
    // The parent holds counts and names of files, not what its children gave.
    const outputs = JSON.stringify(children.map((child) => child.output))
    assert.ok(!outputs.includes('Output'), outputs)
  })

  test(name('without a writer the outputs are the result, and a failure beyond tolerance fails the Map'), async (t) => {
    const { start, put, items } = await setUp(t, open)
    items(120)
    const handlers = {
      'skill:math/square': async (n: Json): Promise<Json> => {
        if (n === 110) throw Object.assign(new Error('odd'), { code: 'odd' })
        return Number(n) ** 2
      },
    }
    const engine = await start({ handlers })
    await put(mapOf(square, { ToleratedFailureCount: 1 }))
    const run = await engine.result('w')
    const squares = Array.from({ length: 120 }, (_, i) => i * i).toSpliced(110, 1)
    assert.deepEqual(run.output, squares, JSON.stringify(run.error))
    await put(mapOf(square))
    assert.equal((await engine.result('w')).error?.code, 'States.ExceedToleratedFailureThreshold')
    await engine.stop()
  })

  test(name('a crash in the middle repeats no group that has ended'), async (t) => {
    const { start, put, items, read } = await setUp(t, open)
    items(600)
    await put(mapOf(square, { MaxConcurrency: 100, ...writer }))
    const calls = new Map<number, number>()
    let crashing: Promise<void> | undefined
    const slow = async (n: Json): Promise<Json> => {
      calls.set(Number(n), (calls.get(Number(n)) ?? 0) + 1)
      if (n === 350 && !crashing) crashing = first.crash()
      return Number(n) ** 2
    }
    const handlers = { 'skill:math/square': slow }
    const first = await start({ handlers, concurrency: 20 })
    const { id } = await first.run('w')
    await until('the crash', () => crashing !== undefined)
    await crashing
    const before = (await first.engine.runs.children(id)).filter((child) => child.status === 'completed')
    assert.ok(before.length >= 2 && before.length < 6, `${before.length} groups had ended`)
    const second = await start({ handlers, concurrency: 20 })
    const run = await second.wait(id)
    const after = await second.engine.runs.children(id)
    await second.stop()
    assert.equal(run.status, 'completed', JSON.stringify(run.error))
    assert.equal(after.length, 6, 'no group was started anew')
    for (const child of before)
      assert.deepEqual(
        after.find(({ id }) => id === child.id),
        child,
      )
    const ofEnded = [...calls].filter(([n]) => n < before.length * 100)
    assert.ok(ofEnded.length > 0 && ofEnded.every(([, count]) => count === 1), 'their items were done once')
    const { Key } = (run.output as { ResultWriterDetails: { Key: string } }).ResultWriterDetails
    assert.equal((read(Key) as { succeeded: number }).succeeded, 600)
  })

  test(name('a definition that is archived meanwhile still gets its groups, but no run from outside'), async (t) => {
    const { start, put, items, workflows } = await setUp(t, open)
    items(150)
    await put(mapOf(pass))
    const engine = await start()
    const { id } = await engine.run('w')
    await workflows.archive(TENANT, 'w')
    assert.equal((await engine.wait(id)).status, 'completed')
    await assert.rejects(engine.run('w', { 'aidos:map': { pointer: '' } }), { code: 'workflow_archived' })
    await engine.stop()
  })
}

const [sqlite] = DATABASES
const open = () => (sqlite as (typeof DATABASES)[number]).open()

test('a Map reads nothing outside the folder, and nothing that is not there', async (t) => {
  const { start, put, root } = await setUp(t, open)
  const outside = await makeTempFolder(t)
  fs.writeFileSync(path.join(outside, 'secret.json'), '[1]')
  fs.symlinkSync(outside, path.join(root, 'link'))
  const engine = await start()
  for (const at of ['../x.json', path.join(outside, 'secret.json'), 'link/secret.json', 'gone.json']) {
    await put(mapOf(pass, { ItemReader: { Resource: 'file:read', Parameters: { path: at } } }))
    assert.equal((await engine.result('w')).error?.code, 'States.ItemReaderFailed', at)
  }
  fs.writeFileSync(path.join(root, 'items.jsonl'), '1\n')
  for (const at of ['../out', 'link/out']) {
    const ResultWriter = { Resource: 'file:write', Parameters: { path: at } }
    await put(mapOf(pass, { ResultWriter }))
    assert.equal((await engine.result('w')).error?.code, 'States.ResultWriterFailed', at)
  }
  assert.deepEqual(fs.readdirSync(outside), ['secret.json'])
  await engine.stop()
})

test('CSV, JSON and the names of the service are read by bucket and key', async (t) => {
  const { start, put, root } = await setUp(t, open)
  fs.mkdirSync(path.join(root, 'bucket/deep'), { recursive: true })
  fs.writeFileSync(path.join(root, 'bucket/deep/a.csv'), 'id,name\n1,ä\n2,b\n')
  fs.writeFileSync(path.join(root, 'bucket/deep/a.json'), '{"list":[{"n":1},{"n":2}]}')
  const engine = await start()
  const read = (Key: string, config: JsonObject) =>
    mapOf(pass, {
      ItemReader: {
        Resource: 'arn:aws:states:::s3:getObject',
        ReaderConfig: config,
        Parameters: { Bucket: 'bucket', Key },
      },
    })
  await put(read('deep/a.csv', { InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' }))
  assert.deepEqual((await engine.result('w')).output, [
    { id: '1', name: 'ä' },
    { id: '2', name: 'b' },
  ])
  await put(read('deep/a.json', { InputType: 'JSON', ItemsPointer: '/list' }))
  assert.deepEqual((await engine.result('w')).output, [{ n: 1 }, { n: 2 }])
  await engine.stop()
})
