/** Secrets are planted wherever one can be kept, everything that uses them is made to run, and then they are looked for everywhere. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { CompiledQuery } from 'kysely'
import pino from 'pino'
import { startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { Handle } from '../../src/platform/db/database.ts'
import { openPostgresDatabase } from '../../src/platform/db/postgres.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { makeEventHub } from '../../src/platform/events/hub.ts'
import { readKey } from '../../src/tenants/index.ts'
import { makeTestDatabaseUrl } from '../support/postgres.ts'
import { environmentOf, placeOf } from '../support/postgres-place.ts'
import { makeTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'

const secretOf = (key: string): string => readKey(key)?.secret ?? assert.fail('no key')
const planted = (what: string): string => `planted-${what}-${randomBytes(9).toString('hex')}`

/** Repeats whatever it is sent: the worst that a service can do with a secret. */
const startEcho = async () => {
  const seen: { url: string; headers: IncomingHttpHeaders }[] = []
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers })
    response.setHeader('content-type', 'application/json')
    response.writeHead(request.url?.includes('refuse') ? 401 : 200)
    response.end(
      JSON.stringify({ error: { message: `bad key ${request.headers.authorization}` }, echo: request.headers }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, seen, stop: () => server.close() }
}

/** Every row of every table, as text. */
const dump = async (handle: Handle, dialect: string): Promise<string> => {
  const list =
    dialect === 'sqlite'
      ? "SELECT name FROM sqlite_master WHERE type = 'table'"
      : "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
  const { rows } = await handle.executeQuery<{ name: string }>(CompiledQuery.raw(list))
  const all = []
  for (const { name } of rows) {
    all.push({ name, rows: (await handle.executeQuery(CompiledQuery.raw(`SELECT * FROM "${name}"`))).rows })
  }
  return JSON.stringify(all, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

const environments = [
  {
    name: 'SQLite',
    async make() {
      const folder = await makeTempFolder()
      const open = () => openSqliteDatabase({ file: `${folder}/aidos.db`, hub: makeEventHub() })
      return { env: { AIDOS_DATA_DIR: folder }, open, folder }
    },
  },
  {
    name: 'PostgreSQL',
    async make() {
      const folder = await makeTempFolder()
      const url = await makeTestDatabaseUrl()
      const env = { AIDOS_DATA_DIR: folder, ...environmentOf(url), DB_POOL_MIN: '0', DB_POOL_MAX: '5' }
      const pool = { ...placeOf(url), poolMin: 0, poolMax: 2 }
      return { env, open: () => openPostgresDatabase({ ...pool, hub: makeEventHub(), onError: () => {} }), folder }
    },
  },
]

for (const environment of environments) {
  test(`on ${environment.name} planted secrets are in no answer, no log and no row`, async (t) => {
    const echo = await startEcho()
    t.after(() => echo.stop())
    const { env, open } = await environment.make()
    const lines: string[] = []
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) })
    const config = readConfig({ PORT: '0', SHUTDOWN_GRACE_MS: '2000', OUTBOUND_ALLOW: '127.0.0.1', ...env })
    const app = await startApp({ config, log })
    const answers: string[] = []
    const call = async (method: string, path: string, body?: object) => {
      const response = await fetch(app.url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          'user-agent': 'planter',
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      answers.push(text)
      return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : undefined }
    }
    // The tenant's first key is known to its owner; on PostgreSQL it is handed out once, at the first start.
    const key = app.key as string
    const secrets = {
      header: planted('header'),
      bearer: planted('bearer'),
      model: planted('model'),
      slack: planted('slack'),
      named: planted('named'),
      replaced: planted('replaced'),
    }
    /** Secrets of keys, which their makers are shown. */
    const shownOnce = new Set<string>()
    let isStopped = false
    try {
      await call('PUT', '/v1/secrets/HEADER', { value: secrets.replaced })
      for (const [name, value] of [
        ['HEADER', secrets.header],
        ['BEARER', secrets.bearer],
        ['MODEL', secrets.model],
        ['SLACK', `${echo.url}/${secrets.named}`],
      ] as const) {
        assert.equal((await call('PUT', `/v1/secrets/${name}`, { value })).status, 200)
      }
      // Refused values must not come back either.
      await call('PUT', '/v1/secrets/WRONG', { value: { nested: secrets.header } })
      await call('GET', '/v1/secrets/HEADER')
      await call('GET', '/v1/secrets')

      const tool = (name: string, url: string) => ({
        name,
        description: 'x',
        url: echo.url + url,
        headers: { 'x-key': { $secret: 'HEADER' }, authorization: { $secret: 'BEARER', prefix: 'Bearer ' } },
        ...(name === 'whole' && { output: '$' }),
      })
      const definition = { tools: [tool('good', '/a'), tool('whole', '/b'), tool('bad', '/refuse')] }
      assert.equal((await call('POST', '/v1/skills', { name: 'echo', kind: 'http', definition })).status, 201)
      const ended = (path: string, id: string) =>
        until(`the end of ${path}/${id}`, async () => {
          const { body } = await call('GET', `${path}/${id}`)
          return body.finishedAt ? body : undefined
        })
      for (const name of ['good', 'whole', 'bad']) {
        const made = await call('POST', '/v1/tasks', { kind: `skill:echo/${name}`, input: {}, retry: { attempts: 1 } })
        const task = await ended('/v1/tasks', made.body.id)
        await call('GET', `/v1/tasks/${task.id}/events`)
        if (name === 'good') assert.equal(task.output?.echo['x-key'], '(secret)', JSON.stringify(task))
      }
      assert.equal(echo.seen[0]?.headers['x-key'], secrets.header)
      assert.equal(echo.seen[0]?.headers.authorization, `Bearer ${secrets.bearer}`)

      const model = { baseUrl: `${echo.url}/refuse/v1`, name: 'm', apiKey: { $secret: 'MODEL' } }
      const made = await call('POST', '/v1/agents', { name: 'clerk', config: { model, instructions: 'Say yes.' } })
      assert.equal(made.status, 201, JSON.stringify(made.body))
      await call('POST', '/v1/agents/clerk/activate')
      const run = await call('POST', '/v1/runs', { agent: 'clerk', input: 'hello' })
      assert.equal((await ended('/v1/runs', run.body.id)).status, 'failed')
      await call('GET', `/v1/runs/${run.body.id}/events`)
      const asked = echo.seen.find(({ url }) => url.startsWith('/refuse/v1'))
      assert.equal(asked?.headers.authorization, `Bearer ${secrets.model}`)

      for (const [name, url, secret] of [
        ['own', `${echo.url}/${secrets.slack}`, secrets.slack],
        ['named', { $secret: 'SLACK' }, secrets.named],
      ] as const) {
        const channel = await call('POST', '/v1/channels', { kind: 'slack', name, url })
        assert.equal(channel.status, 201, JSON.stringify(channel.body))
        const delivery = await call('POST', `/v1/channels/${channel.body.id}/test`)
        await until('the end of the delivery', async () => {
          const { body } = await call('GET', `/v1/deliveries/${delivery.body.id}`)
          return body.status !== 'pending'
        })
        assert.ok(
          echo.seen.some(({ url }) => url.includes(secret)),
          name,
        )
      }
      for (const path of ['audit', 'channels', 'skills/echo', 'agents/clerk', 'tasks', 'runs']) {
        assert.equal((await call('GET', `/v1/${path}`)).status, 200, path)
      }
      // Its answer is kept for whoever asks again with the same key.
      const again = {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': 'made-once-0001',
      }
      for (let i = 0; i < 2; i++) {
        const body = JSON.stringify({ name: 'made-once' })
        const response = await fetch(`${app.url}/v1/keys`, { method: 'POST', headers: again, body })
        shownOnce.add(secretOf(((await response.json()) as { key: string }).key))
      }
      assert.equal(shownOnce.size, 1)
      await call('POST', '/v1/secrets/rotate')
      await app.stop()
      isStopped = true
    } finally {
      if (!isStopped) await app.stop()
    }

    const db = open()
    const rows = await dump(db.primary, db.dialect)
    await db.stop()
    // The search finds what is there: names are.
    for (const text of [rows, answers.join('\n')]) assert.ok(text.includes('HEADER'))
    assert.ok(lines.length > 0)
    for (const [what, secret] of [
      ...Object.entries(secrets),
      ...[secretOf(key), ...shownOnce].map((one) => ['key', one] as const),
    ] as const) {
      const spellings = [
        secret,
        Buffer.from(secret).toString('base64').replace(/=*$/, ''),
        Buffer.from(secret).toString('hex'),
      ]
      for (const spelling of spellings) {
        const where = { rows, log: lines.join('\n'), answers: answers.join('\n') }
        for (const [place, text] of Object.entries(where))
          assert.ok(!text.includes(spelling), `the secret "${what}" is in the ${place}: ${around(text, spelling)}`)
      }
    }
  })
}

const around = (text: string, found: string): string => {
  const at = text.indexOf(found)
  return text.slice(Math.max(0, at - 200), at + 20)
}
