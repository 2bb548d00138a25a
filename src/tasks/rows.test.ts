import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { compileRetry } from '../engine/index.ts'
import { insertTask } from './rows.ts'
import type { Task } from './types.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const MB = 1024 ** 2

test('tasks that each have a time limit of their own leave nothing behind', () => {
  const retry = compileRetry(undefined, 3)
  const task = { id: 't', settings: { retry } } as unknown as Task
  const heapAfter = (from: number, to: number): number => {
    for (let timeoutMs = from; timeoutMs < to; timeoutMs++) insertTask({ ...task, settings: { retry, timeoutMs } }, '')
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = heapAfter(0, 1000)
  const after = heapAfter(1000, 100_000)
  assert.ok(after - before < 3 * MB, `the heap has grown by ${((after - before) / MB).toFixed(1)} MB`)
  // What all have in common stays alive.
  assert.deepEqual(JSON.parse(insertTask(task, '').row[12] as string), { retry })
})
