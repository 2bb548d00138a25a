import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { until } from '../../test/support/until.ts'
import { startTestApp, type TestApp } from './testing.ts'

let app: TestApp
let file: string

before(async () => {
  const folder = await makeTempFolder()
  app = await startTestApp(path.join(folder, 'data'))
  wholeFile.after(() => app.stop())
  file = path.join(folder, 'nightly.yaml')
  writeFileSync(file, 'timing: { cron: "30 2 * * *", timeZone: Europe/Berlin }\ntarget: { task: "skill:core/echo" }\n')
})

test('a schedule is made of a file, listed, shown with its next times, paused, resumed and removed', async () => {
  assert.match((await app.cli(['schedules', 'create', 'nightly', file])).stdout, /nightly is active; next at \d{4}-/)
  const listed = await app.cli(['schedules'])
  assert.match(listed.stdout, /nightly +active +cron 30 2 \* \* \* \(Europe\/Berlin\) +task skill:core\/echo/)
  const { stdout } = await app.cli(['schedules', 'show', 'nightly'])
  assert.equal(stdout.match(/^ {2}\d{4}-\d\d-\d\dT0[01]:30:00\.000Z$/gm)?.length, 5, stdout)
  assert.match((await app.cli(['schedules', 'pause', 'nightly'])).stdout, /nightly is paused/)
  assert.match((await app.cli(['schedules', '--status', 'active'])).stdout, /no schedules/)
  assert.match((await app.cli(['schedules', 'resume', 'nightly'])).stdout, /nightly is active/)
  assert.match((await app.cli(['schedules', 'remove', 'nightly'])).stdout, /removed/)
  const gone = await app.cli(['schedules', 'show', 'nightly'])
  assert.equal(gone.status, 1)
  assert.match(gone.stderr, /"aidos schedules" lists them/)
})

test('a schedule is fired by hand, and its history tells what that started', async () => {
  await app.cli(['schedules', 'create', 'by-hand', file])
  const fired = await app.cli(['schedules', 'trigger', 'by-hand', '--input', '{"by":"hand"}', '--json'])
  assert.equal(fired.status, 0, fired.stderr)
  const taskId = await until('the task', async () => {
    const { stdout } = await app.cli(['schedules', 'fires', 'by-hand', '--json'])
    const { items } = JSON.parse(stdout) as { items: { cause: string; taskId: string | null }[] }
    return items.find(({ cause }) => cause === 'trigger')?.taskId ?? undefined
  })
  assert.match((await app.cli(['tasks', 'show', taskId])).stdout, /"by": "hand"/)
  assert.match((await app.cli(['schedules', 'fires', 'by-hand'])).stdout, new RegExp(`trigger +\\S+ +${taskId}`))
})

test('a definition is put in the place of another, and one that is none is refused with the place', async () => {
  await app.cli(['schedules', 'create', 'changing', file])
  writeFileSync(file, 'timing: { every: 15 minutes }\ntarget: { task: "skill:core/echo" }\n')
  assert.match((await app.cli(['schedules', 'create', 'changing', file])).stderr, /changing[\s\S]*--replace/)
  assert.equal((await app.cli(['schedules', 'create', 'changing', file, '--replace'])).status, 0)
  assert.match((await app.cli(['schedules'])).stdout, /changing +active +every 15 min +task/)
  writeFileSync(file, 'timing: { cron: "99 * * * *" }\ntarget: { task: "skill:core/echo" }\n')
  assert.equal((await app.cli(['schedules', 'create', 'wrong', file])).status, 1)
})

test('a fire that could not start anything is told with the reason', async () => {
  writeFileSync(file, 'timing: { at: "2099-01-01T00:00:00Z" }\ntarget: { workflow: nowhere }\n')
  await app.cli(['schedules', 'create', 'lost', file])
  const fired = await app.cli(['schedules', 'trigger', 'lost'])
  assert.equal(fired.status, 1)
  assert.match(fired.stdout, /lost: failed: .*"nowhere" \(workflow_not_found\)/)
  assert.match((await app.cli(['schedules', 'fires', 'lost'])).stdout, /failed .*"nowhere"/)
})
