/** The Idempotency-Key header, over both databases. */
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { DATABASES } from '../../../test/support/databases.ts'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock } from '../clock.ts'
import { defineErrors } from '../errors.ts'
import { makeIdGenerator } from '../ids.ts'
import { makeLog } from '../log.ts'
import { makeSecretBox } from '../secret-box.ts'
import { makeIdempotencyStore } from './idempotency-store.ts'
import { PERMISSIONS } from './principal.ts'
import { type HttpServer, makeHttpServer } from './server.ts'

const errors = defineErrors({
  refused_here: { status: 422 },
  broken_here: { status: 500 },
  changed_here: { status: 409, retryable: true },
})

type Sent = Awaited<ReturnType<HttpServer['inject']>>
/** The answers in the order in which they come; the one that is held back is let go when the other two are there. */
const threeAtOnce = async (send: () => Promise<Sent>, goOn: () => void) => {
  const answers: Sent[] = []
  const all = [send(), send(), send()].map(async (sent) => {
    answers.push(await sent)
    if (answers.length === 2) goOn()
  })
  await Promise.all(all)
  return answers
}

for (const database of DATABASES) {
  const setUp = async (t: TestContext) => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const box = makeSecretBox(randomBytes(32))
    const store = makeIdempotencyStore({ db, clock, makeId: makeIdGenerator(), box, claimMs: 1000 })
    const done: unknown[] = []
    let gate: Promise<void> | undefined
    const server = await makeHttpServer({
      log: makeLog('silent'),
      makeId: randomUUID,
      bodyLimitBytes: 1_048_576,
      version: '0',
      authenticate: (caller = 'a') => ({
        ...({ kind: 'key', name: '', memberId: null, role: null, projectId: null } as const),
        ...{ tenantId: `tenant-of-${caller}`, keyId: caller, permissions: new Set(PERMISSIONS) },
      }),
      idempotency: store,
      routes: [
        (made) => {
          const config = { permission: 'runs:write' } as const
          const body = z.strictObject({ value: z.number(), idempotencyKey: z.string().optional() })
          const querystring = z.object({ x: z.string().optional() })
          made.post('/v1/things', { config, schema: { body, querystring } }, async (request, reply) => {
            await gate
            done.push(request.body)
            if (request.body.value === 422) throw errors.refused_here('no')
            if (request.body.value === 409 && done.length < 2) throw errors.changed_here('somebody was quicker')
            if (request.body.value === 500 && done.length < 2) throw errors.broken_here('oh')
            return reply.code(201).send({ count: done.length, secret: 'planted-secret-81' })
          })
          made.put('/v1/things', { config }, async () => ({ count: done.push('put') }))
          made.post('/v1/empty', { config }, async (_request, reply) => {
            done.push('empty')
            return reply.code(204).send()
          })
        },
      ],
    })
    t.after(() => server.close())
    const post = (value: number, key?: string, caller = 'a', url = '/v1/things') =>
      server.inject({
        method: 'POST',
        url,
        headers: { authorization: caller, ...(key !== undefined && { 'idempotency-key': key }) },
        payload: { value },
      })
    const holdBack = () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    }
    return { db, clock, store, server, done, post, holdBack }
  }
  const name = (title: string): string => `idempotency on ${database.name}: ${title}`

  test(name('a repeated request gets the same answer and does nothing'), async (t) => {
    const { post, done, clock } = await setUp(t)
    const first = await post(1, 'order-1')
    clock.advance(86_399_999)
    const again = await post(1, '"order-1"')
    assert.equal(first.statusCode, 201)
    assert.equal(again.statusCode, 201)
    assert.equal(again.body, first.body)
    assert.equal(again.headers['content-type'], first.headers['content-type'])
    assert.equal(first.headers['idempotency-replayed'], undefined)
    assert.equal(again.headers['idempotency-replayed'], 'true')
    assert.equal(done.length, 1)
    clock.advance(1)
    assert.equal((await post(1, 'order-1')).json().count, 2)
  })

  test(name('an answer without a body and a refusal are answered again, too'), async (t) => {
    const { post, done, server } = await setUp(t)
    const send = () =>
      server.inject({ method: 'POST', url: '/v1/empty', headers: { authorization: 'a', 'idempotency-key': 'k' } })
    assert.deepEqual([(await send()).statusCode, (await send()).statusCode], [204, 204])
    const refusals = [await post(422, 'r'), await post(422, 'r')]
    assert.deepEqual(
      refusals.map(({ statusCode, headers }) => [statusCode, headers['content-type']]),
      [
        [422, 'application/problem+json; charset=utf-8'],
        [422, 'application/problem+json; charset=utf-8'],
      ],
    )
    assert.equal(done.length, 2)
  })

  test(name('the same key with another content or another route is refused'), async (t) => {
    const { post, done } = await setUp(t)
    await post(1, 'k')
    for (const answer of [await post(2, 'k'), await post(1, 'k', 'a', '/v1/things?x=1')]) {
      assert.equal(answer.statusCode, 409)
      assert.equal(answer.json().code, 'idempotency_key_reused')
    }
    assert.equal((await post(1, '')).json().code, 'idempotency_key_invalid')
    assert.equal((await post(1, 'é')).json().code, 'idempotency_key_invalid')
    assert.equal(done.length, 1)
  })

  test(name('keys of different callers do not meet'), async (t) => {
    const { post } = await setUp(t)
    assert.equal((await post(1, 'k', 'a')).json().count, 1)
    assert.equal((await post(1, 'k', 'b')).json().count, 2)
  })

  test(name('while the first is under way others are told so, and one alone is done'), async (t) => {
    const { post, done, holdBack } = await setUp(t)
    const goOn = holdBack()
    const answers = await threeAtOnce(() => post(1, 'k'), goOn)
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode),
      [409, 409, 201],
    )
    assert.equal(answers[0]?.json().code, 'idempotency_in_progress')
    assert.equal(answers[0]?.headers['retry-after'], '1')
    assert.equal(done.length, 1)
  })

  test(name('a request that takes long keeps its claim as long'), async (t) => {
    const { post, done, clock, db, holdBack } = await setUp(t)
    const goOn = holdBack()
    const first = post(1, 'k')
    const claimedUntil = async (): Promise<number> => {
      const rows = db.primary.withTables<{ idempotency_keys: { claimed_until: number } }>()
      const row = await rows.selectFrom('idempotency_keys').select('claimed_until').executeTakeFirst()
      return row?.claimed_until ?? 0
    }
    await until('the claim', async () => (await claimedUntil()) > 0)
    const claimedAtMs = clock.now()
    for (let i = 0; i < 4; i++) {
      const before = await claimedUntil()
      await until('its renewal', async () => {
        clock.advance(5)
        return (await claimedUntil()) > before
      })
    }
    assert.ok(clock.now() > claimedAtMs + 1000)
    assert.equal((await post(1, 'k')).json().code, 'idempotency_in_progress')
    goOn()
    assert.equal((await first).statusCode, 201)
    assert.equal((await post(1, 'k')).headers['idempotency-replayed'], 'true')
    assert.equal(done.length, 1)
  })

  test(name('a fault of ours keeps no answer: the repetition is done'), async (t) => {
    const { post } = await setUp(t)
    assert.equal((await post(500, 'k')).statusCode, 500)
    assert.equal((await post(500, 'k')).statusCode, 201)
  })

  test(name('a refusal that passes by itself is not kept: the repetition is done, once'), async (t) => {
    const { post, done } = await setUp(t)
    assert.deepEqual([(await post(409, 'k')).json().code, (await post(409, 'k')).statusCode], ['changed_here', 201])
    assert.equal((await post(409, 'k')).headers['idempotency-replayed'], 'true')
    assert.equal(done.length, 2)
  })

  test(
    name('the key of a process that died is free after a while, for one, with the id of the first try'),
    async (t) => {
      const { post, clock, store, done, server, holdBack } = await setUp(t)
      // What a process leaves that dies between its claim and its answer: the same content, claimed and nothing more.
      const before = await post(7, 'other')
      assert.equal(before.statusCode, 201)
      const claimed: string[] = []
      const { claim } = store
      const spy = t.mock.method(store, 'claim', async (request: Parameters<typeof claim>[0]) => {
        const mine = await claim(request)
        if (mine.kind === 'mine') claimed.push(mine.id)
        return claimed.length === 1 ? { kind: 'under-way' as const } : mine
      })
      assert.equal((await post(1, 'k')).statusCode, 409)
      assert.equal((await post(1, 'k')).statusCode, 409)
      assert.equal(claimed.length, 1)
      clock.advance(1000)
      const answers = await threeAtOnce(() => post(1, 'k'), holdBack())
      assert.deepEqual(
        answers.map(({ statusCode }) => statusCode),
        [409, 409, 201],
      )
      assert.deepEqual(claimed[1], claimed[0])
      assert.deepEqual(done.at(-1), { value: 1, idempotencyKey: `request:${claimed[0]}` })
      spy.mock.restore()
      await server.ready()
    },
  )

  test(name('answers and keys are unreadable in the database, and gone when their day is over'), async (t) => {
    const { post, db, clock } = await setUp(t)
    await post(1, 'my-very-own-key')
    const rows = () =>
      db.primary.withTables<{ idempotency_keys: object }>().selectFrom('idempotency_keys').selectAll().execute()
    const text = JSON.stringify(await rows())
    assert.equal((await rows()).length, 1)
    assert.ok(!text.includes('planted-secret') && !text.includes('my-very-own-key'))
    clock.advance(86_400_000)
    await post(2, 'another')
    await until('the first to be gone', async () => (await rows()).length === 1)
  })

  test(name('requests without the header, and such as are no POST, leave nothing'), async (t) => {
    const { post, db, server, done } = await setUp(t)
    await post(1)
    await post(1)
    for (let i = 0; i < 2; i++) {
      await server.inject({ method: 'PUT', url: '/v1/things', headers: { authorization: 'a', 'idempotency-key': 'k' } })
    }
    assert.equal(done.length, 4)
    const tables = db.primary.withTables<{ idempotency_keys: object }>()
    assert.deepEqual(await tables.selectFrom('idempotency_keys').selectAll().execute(), [])
  })
}
