/** Every example is run as its README says, against a real server, with the stand-in where an agent needs a model. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { makeModelStandIn } from '../src/agents/stand-in/stand-in.ts'
import { startTestApp, type TestApp } from '../src/cli/testing.ts'
import type { Json } from '../src/platform/json.ts'
import { makeClient } from '../src/sdk/client.ts'
import type { RunView } from '../src/sdk/views.ts'
import { startProcess } from './support/start-process.ts'
import { makeTempFolder } from './support/temp-folder.ts'

const root = path.resolve(import.meta.dirname, '..')
const example = (name: string): string => path.join(root, 'examples', name)

const start = async (t: TestContext, name: string, env: Record<string, string> = {}): Promise<TestApp> => {
  const app = await startTestApp(path.join(await makeTempFolder(t), 'data'), [example(name)], env)
  t.after(() => app.stop())
  return app
}

const run = async (app: TestApp, target: object, answers: Record<string, Json> = {}): Promise<RunView> => {
  const client = makeClient({ url: app.url!, key: app.key! })
  const { id } = await client.runs.start(target)
  for await (const { type, data } of client.runs.watch(id)) {
    const name = String(data.signal)
    if (type === 'signal.waiting' && name in answers) await client.runs.signal(id, name, answers[name])
  }
  return client.runs.find(id)
}

test('hello: greets by a tool that comes with the system', async (t) => {
  const app = await start(t, 'hello')
  assert.equal((await run(app, { workflow: 'hello', input: { name: 'Ada' } })).output, 'Hello, Ada!')
  assert.equal((await run(app, { workflow: 'hello' })).output, 'Hello, world!')
})

/** What the README's workflow names and does not show. */
const AROUND_THE_README = `
const loadOrder = async (id) => ({ id })
export const clerk = agent({ name: 'refund-clerk', config: { instructions: 'Decide.', output: {
  type: 'object', additionalProperties: false, required: ['amount'], properties: { amount: { type: 'integer' } },
} } })
export const payments = functionSkill({ name: 'payments', tools: [
  { name: 'refund', description: 'Pays an order back.', run: ({ orderId }) => ({ refunded: orderId }) },
] })
`

test("the README's workflow asks its agent, waits for the approval, and pays back", async (t) => {
  const [, shown = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(root, 'README.md'), 'utf8')) ?? []
  const sdk = `'${pathToFileURL(path.join(root, 'src/sdk/index.ts'))}'`
  const code = shown.replace("{ workflow } from '#sdk'", `{ agent, functionSkill, workflow } from ${sdk}`)
  const folder = await makeTempFolder(t)
  // Nobody waits an hour for a test.
  writeFileSync(path.join(folder, 'refund.ts'), code.replace("'1 hour'", "'1 ms'") + AROUND_THE_README)
  const standIn = await makeModelStandIn({ script: { rules: [{ reply: { text: '{"amount":101}' } }] } })
  t.after(() => standIn.stop())
  const model = { MODEL_BASE_URL: standIn.url, MODEL_NAME: 'stand-in', OUTBOUND_ALLOW: new URL(standIn.url).host }
  const app = await startTestApp(path.join(await makeTempFolder(t), 'data'), [folder], model)
  t.after(() => app.stop())
  const ended = await run(app, { workflow: 'refund', input: { orderId: '7' } }, { approved: true })
  assert.deepEqual(ended.output, { refunded: '7' }, JSON.stringify(ended.error))
  const events = await makeClient({ url: app.url!, key: app.key! }).runs.events(ended.id)
  assert.ok(events.items.some(({ type }) => type === 'signal.waiting'))
})

test('order-refund: pays back, after an approval above the limit, and tries the payment again', async (t) => {
  const app = await start(t, 'order-refund')
  const small = await run(app, { workflow: 'order-refund', input: { orderId: 'A-1', amount: 40 } })
  assert.equal((small.output as { refunded?: boolean }).refunded, true, JSON.stringify(small.error))
  const large = { workflow: 'order-refund', input: { orderId: 'A-2', amount: 400 } }
  const approved = await run(app, large, { approved: { approved: true, by: 'Ada' } })
  assert.match((approved.output as { receipt: string }).receipt, /^R-A-2-/)
  const tasks = await makeClient({ url: app.url!, key: app.key! }).tasks.list({ runId: approved.id })
  assert.deepEqual(
    tasks.items.map((task) => task.attempt),
    [2],
  )
  const refused = await run(app, large, { approved: { approved: false, by: 'Ada' } })
  assert.deepEqual(refused.output, { refunded: false, reason: 'Ada said no' })
})

test('order-refund: refuses an input that does not fit, with the field', async (t) => {
  const app = await start(t, 'order-refund')
  await assert.rejects(
    run(app, { workflow: 'order-refund', input: { orderId: 'A-1', amount: 'much' } }),
    (error: Error) => {
      assert.match(JSON.stringify((error as { findings?: unknown }).findings), /input\.amount/)
      return true
    },
  )
  const unknown = await run(app, { workflow: 'order-refund', input: { orderId: 'B-1', amount: 4 } })
  assert.match(unknown.error?.message ?? '', /there is no order B-1/)
})

test('support-agent: answers by two tools', async (t) => {
  const { parse } = await import('yaml')
  const script = parse(readFileSync(path.join(example('support-agent'), 'stand-in.yaml'), 'utf8')) as { rules: [] }
  const standIn = await makeModelStandIn({ script })
  t.after(() => standIn.stop())
  const model = { MODEL_BASE_URL: standIn.url, MODEL_NAME: 'stand-in', OUTBOUND_ALLOW: new URL(standIn.url).host }
  const app = await start(t, 'support-agent', model)
  const ended = await run(app, { agent: 'support', input: 'Where is parcel P-7?' })
  assert.match((ended.output as { text: string }).text, /depot in Bonn\. 4\.70 euros/, JSON.stringify(ended))
  const tasks = await makeClient({ url: app.url!, key: app.key! }).tasks.list({ runId: ended.id })
  assert.deepEqual(tasks.items.map((task) => task.kind).sort(), ['skill:data/transform', 'skill:parcels/find'])
})

test('aidos demo: audits the licences of this project and leaves the report', { timeout: 60_000 }, async (t) => {
  const cwd = await makeTempFolder(t)
  const env = { ...process.env, MODEL_BASE_URL: '', NO_COLOR: '1' }
  const demo = await startProcess(t, { args: [path.join(root, 'bin/aidos.js'), 'demo', '--json'], cwd, env })
  assert.deepEqual(await demo.exited, { code: 0, signal: null }, demo.output())
  const lines = demo.output().trim().split('\n')
  const last = JSON.parse(lines.at(-1) ?? '{}') as { run: RunView; report: string; standIn: boolean }
  assert.equal(last.run?.status, 'completed', demo.output())
  assert.equal(last.standIn, true)
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as { packages: object }
  const total = Object.keys(packages).length - 1
  assert.equal((last.run.output as { packages: number }).packages, total)
  assert.ok(existsSync(last.report))
  const report = readFileSync(last.report, 'utf8')
  assert.match(report, new RegExp(`${total} packages in the lock file`))
  assert.match(report, /Approved by the demo/)
  assert.match(report, /not a model/)
  assert.match(report, /\| MIT \| permissive \| \d+ \|/)
})
