import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeReseal } from '../notifications/reseal.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import { makeSecretKeys } from '../platform/secret-keys.ts'
import { makeRedact } from './redact.ts'
import { makeRotation } from './rotation.ts'
import type { SecretTables } from './schema.ts'
import { makeSecretService } from './service.ts'

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const makeId = makeIdGenerator(clock.now)
    let ring: Buffer[] = [randomBytes(32)]
    const keys = makeSecretKeys(() => ring, clock.now)
    const box = makeSecretBox(keys)
    const secrets = makeSecretService({ db, clock, makeId, box })
    const changeKeys = (change: (keys: Buffer[]) => Buffer[]): void => {
      ring = change(ring)
      clock.advance(1000)
    }
    const tables = () => db.primary.withTables<SecretTables>()
    const rows = () => tables().selectFrom('secrets').selectAll().orderBy('name').execute()
    const place = (name: string, projectId: string | null = null, tenantId = 't1') => ({ tenantId, projectId, name })
    const reveal = (
      name: string,
      projectId: string | null = null,
      url = 'https://api.example.org/x',
      tenantId = 't1',
    ) => secrets.reveal({ tenantId, projectId, reference: { $secret: name }, url })
    const addProject = (id: string) =>
      db.transaction((tx) =>
        tx
          .withTables<{ projects: { id: string; tenant_id: string; name: string; created_at: number } }>()
          .insertInto('projects')
          .values({ id, tenant_id: 't1', name: id, created_at: 0 })
          .execute(),
      )
    return { db, clock, box, keys, secrets, changeKeys, rows, place, reveal, addProject }
  }
  const name = (title: string): string => `secrets on ${database.name}: ${title}`

  test(name('a value goes in, is handed to code, and never comes out with what is shown'), async () => {
    const { secrets, place, reveal, rows } = await setUp()
    const made = await secrets.set(place('KEY'), { value: 'geheim-1' })
    assert.equal(made.version, 1)
    assert.equal(await reveal('KEY'), 'geheim-1')
    const prefixed = {
      tenantId: 't1',
      projectId: null,
      reference: { $secret: 'KEY', prefix: 'Bearer ' },
      url: 'https://x',
    }
    assert.equal(await secrets.reveal(prefixed), 'Bearer geheim-1')
    assert.equal((await secrets.set(place('KEY'), { value: 'geheim-2' })).version, 2)
    assert.equal(await reveal('KEY'), 'geheim-2')
    const shown = JSON.stringify([
      await rows(),
      await secrets.list('t1', { limit: 10 }),
      await secrets.find(place('KEY')),
    ])
    assert.ok(!shown.includes('geheim'))
    await secrets.remove(place('KEY'))
    await assert.rejects(reveal('KEY'), { code: 'secret_not_found', message: /"KEY"/ })
  })

  test(name("a project's secret goes before the tenant's, and is nobody else's"), async () => {
    const { secrets, place, reveal, addProject } = await setUp()
    await addProject('p1')
    await secrets.set(place('KEY'), { value: 'for all' })
    await secrets.set(place('KEY', 'p1'), { value: 'for p1' })
    assert.deepEqual(await Promise.all([reveal('KEY'), reveal('KEY', 'p1'), reveal('KEY', 'p2')]), [
      'for all',
      'for p1',
      'for all',
    ])
    await assert.rejects(reveal('KEY', null, undefined, 't2'), { code: 'secret_not_found' })
    await assert.rejects(secrets.set(place('KEY', 'nowhere'), { value: 'x' }), { code: 'project_not_found' })
  })

  test(name('a secret with hosts is sent to those alone'), async () => {
    const { secrets, place, reveal } = await setUp()
    await secrets.set(place('KEY'), { value: 'geheim', hosts: ['api.example.org', '*.example.net', 'h.example:8443'] })
    for (const url of ['https://api.example.org/x', 'https://a.b.example.net', 'https://h.example:8443/'])
      assert.equal(await reveal('KEY', null, url), 'geheim', url)
    for (const url of [
      'https://example.net',
      'https://evil-example.net',
      'https://h.example/',
      'https://x.api.example.org',
    ])
      await assert.rejects(reveal('KEY', null, url), { code: 'secret_host_refused' }, url)
    await secrets.set(place('SLACK'), { value: 'https://hooks.example.org/x', hosts: ['hooks.example.org'] })
    const itself = { tenantId: 't1', projectId: null, reference: { $secret: 'SLACK' }, url: null }
    assert.equal(await secrets.reveal(itself), 'https://hooks.example.org/x')
    await secrets.set(place('SLACK'), { value: 'https://evil.example/x' })
    await assert.rejects(secrets.reveal(itself), { code: 'secret_host_refused' })
    // Hosts stay when only the value changes.
    assert.deepEqual((await secrets.set(place('KEY'), { value: 'other' })).hosts.length, 3)
    await assert.rejects(secrets.set(place('KEY'), { value: 'x', hosts: ['https://x'] }), { code: 'secret_invalid' })
  })

  test(name('a value that is none is refused without a word of it'), async () => {
    const { secrets, place } = await setUp()
    for (const value of [undefined, null, '', 7, { a: 'geheim' }, 'geheim'.repeat(20_000)])
      await assert.rejects(secrets.set(place('KEY'), { value }), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'secret_invalid')
        assert.ok(!JSON.stringify({ ...error, message: error.message }).includes('geheim'))
        return true
      })
  })

  test(name('a sealed value is of no use in another row'), async () => {
    const { db, secrets, place, reveal, rows } = await setUp()
    await secrets.set(place('A'), { value: 'geheim' })
    await secrets.set(place('B'), { value: 'other' })
    const [a] = await rows()
    const tables = db.transaction((tx) =>
      tx.withTables<SecretTables>().updateTable('secrets').set({ sealed: a!.sealed }).where('name', '=', 'B').execute(),
    )
    await tables
    await assert.rejects(reveal('B'), { code: 'secret_unreadable' })
  })

  test(
    name('a rotation puts all under the new key, goes on where it was broken off, and both keys open meanwhile'),
    async () => {
      const { secrets, place, reveal, rows, changeKeys, keys } = await setUp()
      for (let i = 0; i < 5; i++) await secrets.set(place(`S${i}`), { value: `value ${i}` })
      const ids = async () => new Set((await rows()).map((row) => row.key_id))
      const before = await ids()
      changeKeys((ring) => [randomBytes(32), ...ring])
      assert.equal(await reveal('S4'), 'value 4')
      // Broken off after two.
      assert.equal((await secrets.reseal(2, '')).count, 2)
      assert.equal((await ids()).size, 2)
      assert.deepEqual(await Promise.all([reveal('S0'), reveal('S4')]), ['value 0', 'value 4'])
      const rotation = makeRotation({ keys, sealed: [{ name: 'secrets', reseal: secrets.reseal }] })
      assert.deepEqual(await rotation.rotate(), { keyId: keys.all()[0]!.id, resealed: { secrets: 3 }, isDone: true })
      const after = await ids()
      assert.equal(after.size, 1)
      assert.notDeepEqual(after, before)
      changeKeys((ring) => ring.slice(0, 1))
      for (let i = 0; i < 5; i++) assert.equal(await reveal(`S${i}`), `value ${i}`)
      assert.deepEqual((await rotation.rotate()).resealed, { secrets: 0 })
    },
  )

  test(name('a rotation takes the secrets of channels along'), async () => {
    const { db, box, changeKeys } = await setUp()
    const sealedUrl = box.seal('https://hooks.example.org/geheim', 'channel:c1')
    const old = box.seal('whsec_1', 'channel:c2')
    const row = { tenant_id: 't1', project_id: null, status: 'active', reason: null, created_at: 0, updated_at: 0 }
    const channels = () => db.primary.withTables<{ channels: Record<string, unknown> }>()
    await db.transaction(async (tx) => {
      const insert = tx.withTables<{ channels: Record<string, unknown> }>().insertInto('channels')
      await insert
        .values([
          { ...row, id: 'c1', name: 'slack', kind: 'slack', config: JSON.stringify({ kind: 'slack', sealedUrl }) },
          {
            ...{ ...row, id: 'c2', name: 'hook', kind: 'webhook' },
            config: JSON.stringify({ kind: 'webhook', url: 'https://x', secrets: [{ sealed: old, untilMs: null }] }),
          },
          { ...row, id: 'c3', name: 'inbox', kind: 'inbox', config: JSON.stringify({ kind: 'inbox' }) },
        ])
        .execute()
    })
    changeKeys((ring) => [randomBytes(32), ...ring])
    const reseal = makeReseal(db, box)
    assert.deepEqual(await reseal(1, ''), { count: 1, unreadable: [], nextId: 'c1' })
    assert.deepEqual(await reseal(10, ''), { count: 1, unreadable: [], nextId: null })
    assert.deepEqual(await reseal(10, ''), { count: 0, unreadable: [], nextId: null })
    changeKeys((ring) => ring.slice(0, 1))
    const rows = await channels().selectFrom('channels').select(['id', 'config']).orderBy('id').execute()
    const [slack, hook, inbox] = rows.map(({ config }) => JSON.parse(config as string))
    assert.equal(box.open(slack.sealedUrl, 'channel:c1'), 'https://hooks.example.org/geheim')
    assert.equal(box.open(hook.secrets[0].sealed, 'channel:c2'), 'whsec_1')
    assert.deepEqual(inbox, { kind: 'inbox' })
  })
}

test('makeRedact() finds a secret in every spelling, and leaves short ones alone', () => {
  const secret = 'a"b/c+d é'
  const redact = makeRedact([secret, 'on'])
  const spellings = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
  for (const text of [...spellings, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('base64url')])
    assert.equal(redact(`it is ${text}; go on`), 'it is (secret); go on', text)
})
