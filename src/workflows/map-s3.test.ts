import assert from 'node:assert/strict'
import fs from 'node:fs'
import { type TestContext, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { startS3StandIn } from '../../test/support/s3-stand-in.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { systemClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { JsonObject } from '../platform/json.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import { makeS3Client } from '../platform/s3/client.ts'
import { makeWorkflowService } from './service.ts'

const TENANT = 's3-tenant'

const mapOver = (
  resource: string,
  Parameters: JsonObject,
  more: JsonObject = {},
  config: JsonObject = {},
): JsonObject => ({
  StartAt: 'Each',
  States: {
    Each: {
      Type: 'Map',
      ItemReader: { Resource: `arn:aws:states:::s3:${resource}`, ReaderConfig: config, Parameters },
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'One',
        States: { One: { Type: 'Pass', End: true } },
      },
      ...more,
      End: true,
    },
  },
})

const setUp = async (t: TestContext) => {
  const store = await startS3StandIn(t)
  const { db } = await (DATABASES[0] as (typeof DATABASES)[number]).open()
  const outbound = makeOutbound({ allow: [store.host], timeoutMs: 30_000, maxResponseBytes: 10_000_000 })
  t.after(() => outbound.stop())
  const spoolDir = await makeTempFolder(t)
  const { endpoint, accessKeyId, secretAccessKey, region } = store
  const client = makeS3Client({ endpoint, accessKeyId, secretAccessKey, region, outbound, clock: systemClock })
  const prefixOf = (tenantId: string): string | undefined => (tenantId === TENANT ? 'mine/' : undefined)
  const workflows = makeWorkflowService({
    ...{ db, clock: systemClock, makeId: makeIdGenerator(), cacheMs: 0, cacheMax: 10 },
    s3: { client, prefixOf, spoolDir },
  })
  const start = () => startTestEngine({ db, programs: workflows, tenantId: TENANT })
  const put = (definition: JsonObject) => workflows.put({ tenantId: TENANT, projectId: null, name: 'w', definition })
  return { store, client, spoolDir, start, put }
}

test('a Map reads its items from an object store, and a busy moment of it does no harm', async (t) => {
  const { store, spoolDir, start, put } = await setUp(t)
  store.objects.set('b/mine/in/a b.csv', 'id,name\n1,ä\n2,b\n')
  store.failNext(503)
  await put(
    mapOver(
      'getObject',
      { Bucket: 'b', Key: 'in/a b.csv' },
      { ItemSelector: { 'v.$': '$$.Map.Item.Value', 's.$': '$$.Map.Item.Source' } },
    ),
  )
  const engine = await start()
  const run = await engine.result('w')
  await engine.stop()
  const s = 's3://b/in/a b.csv'
  assert.deepEqual(run.output, [
    { v: { id: '1', name: 'ä' }, s },
    { v: { id: '2', name: 'b' }, s },
  ])
  assert.deepEqual(store.calls, ['GET /b/mine/in/a b.csv', 'GET /b/mine/in/a b.csv'])
  assert.deepEqual(fs.readdirSync(spoolDir), [], 'what was brought is not kept')
})

test('listObjectsV2 gives the objects page by page, or their items', async (t) => {
  const { store, start, put } = await setUp(t)
  for (const [name, text] of [
    ['one', '[1,2]'],
    ['three', '[4]'],
    ['two', '[3]'],
  ])
    store.objects.set(`b/mine/in/${name}.json`, `${text}`)
  store.objects.set('b/other/in/none.json', '[9]')
  const engine = await start()
  await put(mapOver('listObjectsV2', { Bucket: 'b', Prefix: 'in/' }))
  const { output } = await engine.result('w')
  assert.deepEqual(
    (output as JsonObject[]).map(({ Key }) => Key),
    ['in/one.json', 'in/three.json', 'in/two.json'],
  )
  assert.deepEqual((output as JsonObject[])[0], {
    ...{ Etag: '"f79408e5ca998cd53faf44af31e6eb45"', Key: 'in/one.json', Size: 5, StorageClass: 'STANDARD' },
    LastModified: Date.parse('2026-01-02T03:04:05Z') / 1000,
  })
  const config = { InputType: 'JSON', Transformation: 'LOAD_AND_FLATTEN' }
  const ItemSelector = { 'v.$': '$$.Map.Item.Value', 's.$': '$$.Map.Item.Source' }
  await put(mapOver('listObjectsV2', { Bucket: 'b', Prefix: 'in/' }, { ItemSelector }, config))
  const flat = await engine.result('w')
  await engine.stop()
  assert.deepEqual(flat.output, [
    { v: 1, s: 's3://b/in/one.json' },
    { v: 2, s: 's3://b/in/one.json' },
    { v: 4, s: 's3://b/in/three.json' },
    { v: 3, s: 's3://b/in/two.json' },
  ])
})

test('results are written as the service lays them out', async (t) => {
  const { store, start, put } = await setUp(t)
  const lines = Array.from({ length: 150 }, (_, i) => `{"n":${i}}\n`).join('')
  store.objects.set('b/mine/items.jsonl', lines)
  const ResultWriter = {
    Resource: 'arn:aws:states:::s3:putObject',
    Parameters: { Bucket: 'b', Prefix: 'out' },
    WriterConfig: { Transformation: 'COMPACT', OutputType: 'JSONL' },
  }
  await put(mapOver('getObject', { Bucket: 'b', Key: 'items.jsonl' }, { ResultWriter }))
  const engine = await start()
  const run = await engine.result('w')
  await engine.stop()
  assert.equal(run.status, 'completed', JSON.stringify(run.error))
  const { Bucket, Key } = (run.output as { ResultWriterDetails: { Bucket: string; Key: string } }).ResultWriterDetails
  assert.deepEqual([Bucket, Key], ['b', `out/${run.id}/manifest.json`])
  const manifest = JSON.parse(store.objects.get(`b/mine/${Key}`) ?? '') as JsonObject
  assert.equal(manifest.DestinationBucket, 'b')
  const { SUCCEEDED, FAILED, PENDING } = manifest.ResultFiles as Record<string, { Key: string; Size: number }[]>
  assert.deepEqual([FAILED, PENDING], [[], []])
  assert.deepEqual(
    SUCCEEDED?.map((file) => file.Key),
    [`out/${run.id}/SUCCEEDED_0.jsonl`, `out/${run.id}/SUCCEEDED_1.jsonl`],
  )
  const written = SUCCEEDED?.map((file) => store.objects.get(`b/mine/${file.Key}`)).join('')
  assert.equal(written, lines)
  assert.equal(
    SUCCEEDED?.reduce((sum, { Size }) => sum + Size, 0),
    Buffer.byteLength(lines),
  )
})

test('an object is read in the version that the definition names', async (t) => {
  const { store, start, put } = await setUp(t)
  store.objects.set('b/mine/list.json', '["new"]')
  store.objects.set('b/mine/list.json?versionId=v 1', '["old"]')
  await put(mapOver('getObject', { Bucket: 'b', Key: 'list.json', VersionId: 'v 1' }))
  const engine = await start()
  const { output } = await engine.result('w')
  await engine.stop()
  assert.deepEqual(output, ['old'])
})

test('an object that is missing, or a tenant without a share in the store, fails the reader by its name', async (t) => {
  const { start, put } = await setUp(t)
  await put(mapOver('getObject', { Bucket: 'b', Key: 'gone.json' }))
  const engine = await start()
  const { error } = await engine.result('w')
  await engine.stop()
  assert.equal(error?.code, 'States.ItemReaderFailed')
  assert.match(error?.message ?? '', /404 NoSuchKey/)
})

test('get() takes only the object that it is asked for', async (t) => {
  const { store, client } = await setUp(t)
  store.objects.set('b/k', 'first')
  const { etag, body } = await client.get('b', 'k')
  await body.return()
  store.objects.set('b/k', 'second')
  await assert.rejects(client.get('b', 'k', { etag }), { code: 's3_changed' })
})
