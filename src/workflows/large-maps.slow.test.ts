/** Distributed Maps over a hundred thousand items, by processes of their own. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { mapOf, pass, TENANT, writer } from '../../test/support/maps.ts'
import { startProcess } from '../../test/support/start-process.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { openSqliteDatabase } from '../platform/db/sqlite.ts'
import { makeEventHub } from '../platform/events/hub.ts'
import { makeEventLog } from '../platform/events/log.ts'

const worker = fileURLToPath(import.meta.resolve('../../test/support/map-worker.ts'))
const openFile = (folder: string) => openSqliteDatabase({ file: `${folder}/aidos.db`, hub: makeEventHub() })
const writeItems = (folder: string, padding: number): void => {
  const pad = 'x'.repeat(padding)
  const lines = Array.from({ length: 100_000 }, (_, i) => `${JSON.stringify({ i, pad })}\n`)
  fs.writeFileSync(path.join(folder, 'items.jsonl'), lines.join(''))
}

/** Megabytes. What a hundred thousand items of 300 bytes and their results take would not fit. */
const SMALL_HEAP = 72

test('a hundred thousand items finish in a small heap, in groups, with their progress in the timeline', async (t) => {
  const folder = await makeTempFolder(t)
  writeItems(folder, 300)
  const args = [`--max-old-space-size=${SMALL_HEAP}`, worker, folder, TENANT, JSON.stringify(mapOf(pass, writer))]
  const working = await startProcess(t, { args })
  const [, id = ''] = await working.waitFor(/run (\S+)/, 60_000)
  await working.waitFor(/ended completed/, 150_000)
  assert.equal((await working.exited).code, 0, working.output())
  const db = openFile(folder)
  const events = await makeEventLog(db).read({ tenantId: TENANT, runId: id, afterId: 0, limit: 10_000 })
  await db.stop()
  const told = events.filter((event) => event.type === 'map.progress').map((event) => Number(event.data.succeeded))
  assert.ok(told.length >= 100 && told.length <= 1000, `progress was told ${told.length} times`)
  assert.deepEqual([told, told.at(-1)], [told.toSorted((a, b) => a - b), 100_000])
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'out', id, 'manifest.json'), 'utf8'))
  assert.deepEqual([manifest.succeeded, manifest.ResultFiles.SUCCEEDED.length], [100_000, 1000])
})

test('a hundred thousand items outlive a SIGKILL, and no group that had ended is done again', async (t) => {
  const folder = await makeTempFolder(t)
  writeItems(folder, 0)
  const args = [worker, folder, TENANT, JSON.stringify(mapOf(pass, writer))]
  const children = async (id: string) => {
    const db = openFile(folder)
    const runs = db.primary.withTables<{ runs: { id: string; parent_run_id: string; status: string; fence: number } }>()
    const rows = await runs.selectFrom('runs').selectAll().where('parent_run_id', '=', id).execute()
    await db.stop()
    return rows
  }

  const first = await startProcess(t, { args })
  const [, id = ''] = await first.waitFor(/run (\S+)/)
  await first.waitFor(/groups [1-9]\d/, 60_000)
  first.kill('SIGKILL')
  assert.equal((await first.exited).signal, 'SIGKILL')
  const before = (await children(id)).filter((child) => child.status === 'completed')
  assert.ok(before.length >= 10 && before.length < 1000, `${before.length} groups had ended`)

  const second = await startProcess(t, { args })
  await second.waitFor(/ended completed/, 120_000)
  assert.equal((await second.exited).code, 0, second.output())
  const after = new Map((await children(id)).map((child) => [child.id, child]))
  assert.equal(after.size, 1000, 'no group was begun twice')
  for (const child of before) assert.deepEqual(after.get(child.id), child)
})
