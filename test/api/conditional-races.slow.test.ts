/** Who changes a thing between the reading of a conditional change and its write makes it fail: nothing of theirs is overwritten. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { makeChannels } from '../../src/notifications/channels.ts'
import { makeLiquids } from '../../src/notifications/liquid.ts'
import { makePeople } from '../../src/notifications/people.ts'
import { makePreferences } from '../../src/notifications/preferences.ts'
import { makeTemplates } from '../../src/notifications/templates.ts'
import { makeRouteWriter } from '../../src/notifications/write-route.ts'
import { makeFakeClock } from '../../src/platform/clock.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { makeSecretBox } from '../../src/platform/secret-box.ts'
import { makeSecretService } from '../../src/secrets/service.ts'
import { makeLimitsService } from '../../src/tenants/limits.ts'
import { makeTenantService } from '../../src/tenants/service.ts'
import { makeBetween } from '../support/between.ts'
import { DATABASES } from '../support/databases.ts'

type Check = (current: unknown) => void

/** One thing as the calls of one caller see it. */
interface Thing {
  read(): Promise<unknown>
  change(n: number, check?: Check): Promise<unknown>
  remove?(check?: Check): Promise<unknown>
}

/** Never removed. */
const LIMITS = 'the limits of a tenant'
const PLAIN = { channelId: null, timeZone: 'UTC', quietHours: null, digest: null, errorsAtOnce: true }
const DEFAULTS = {
  ...{ requestsPerMinute: 1, requestsPerMinutePerKey: 1, requestsUnderWay: 1, runsPerDay: 100, tasksPerDay: 1 },
  ...{ tokensPerDay: 1, costPerDay: 1, storagePerDay: 1 },
}

for (const database of DATABASES) {
  const setUp = async () => {
    const { db, meanwhile } = makeBetween((await database.open()).db)
    const base = { db, clock: makeFakeClock(), makeId: makeIdGenerator() }
    const tenants = makeTenantService({ ...base, keyCacheMs: 0, keyCacheMax: 10 })
    const { tenant } = await tenants.createTenant('one')
    return { base, tenants, tenantId: tenant.id, meanwhile }
  }
  type Base = Awaited<ReturnType<typeof setUp>>
  const notificationsOf = ({ base }: Base) => {
    const box = makeSecretBox(randomBytes(32))
    const write = makeRouteWriter({ db: base.db, changed: () => {} })
    const people = makePeople({ isMember: async () => true })
    return {
      channels: makeChannels({ ...base, box, hasMailServer: false, write }),
      templates: makeTemplates({ ...base, liquids: makeLiquids() }),
      preferences: makePreferences({ ...base, people, write }),
    }
  }

  const THINGS: Readonly<Record<string, (base: Base) => Promise<Thing>>> = {
    'a member': async ({ tenants: { members }, tenantId }) => {
      const { id } = await members.create(tenantId, { email: 'ada@example.org', role: 'viewer' })
      return {
        read: () => members.find(tenantId, id),
        change: (n, check) => members.update(tenantId, id, { name: `${n}` }, undefined, check),
        remove: (check) => members.remove(tenantId, id, undefined, check),
      }
    },
    [LIMITS]: async ({ base, tenantId }) => {
      const limits = makeLimitsService({ ...base, defaults: DEFAULTS })
      return {
        read: () => limits.show(tenantId),
        change: (n, check) => limits.change(tenantId, { runsPerDay: n }, check),
      }
    },
    'a template': async (base) => {
      const [{ templates }, { tenantId }] = [notificationsOf(base), base]
      const { id } = await templates.create(tenantId, { name: 'thing', subject: '', body: 'x' })
      return {
        read: () => templates.find(tenantId, id),
        change: (n, check) => templates.update(tenantId, id, { subject: `${n}` }, check),
        remove: (check) => templates.remove(tenantId, id, check),
      }
    },
    preferences: async (base) => {
      const [{ preferences }, { tenantId }] = [notificationsOf(base), base]
      const set = (hour: number, check?: Check) =>
        preferences.set(tenantId, 'ann', { ...PLAIN, digest: { every: 'day', at: `0${hour}:00` } }, null, check)
      await set(0)
      return {
        read: () => preferences.find(tenantId, 'ann'),
        change: set,
        remove: (check) => preferences.remove(tenantId, 'ann', check),
      }
    },
    'a channel': async (base) => {
      const [{ channels }, { tenantId }] = [notificationsOf(base), base]
      const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'thing' })
      return {
        read: () => channels.find(tenantId, channel.id),
        change: (n, check) => channels.update(tenantId, channel.id, { name: `thing-${n}` }, check),
        remove: (check) => channels.remove(tenantId, channel.id, check),
      }
    },
    'a secret': async ({ base, tenantId }) => {
      const secrets = makeSecretService({ ...base, box: makeSecretBox(randomBytes(32)) })
      const place = { tenantId, projectId: null, name: 'THING' }
      await secrets.set(place, { value: 'geheim' })
      return {
        read: () => secrets.find(place),
        change: (n, check) => secrets.set(place, { value: `geheim ${n}` }, check),
        remove: (check) => secrets.remove(place, check),
      }
    },
  }

  /** Channels and secrets are guarded in their statement, which can only say that somebody was quicker. */
  const REFUSED = ['precondition_failed', 'channel_changed', 'secret_changed']
  const asRead = async (thing: Thing): Promise<Check> => {
    const seen = await thing.read()
    return (current) => {
      const failed = Object.assign(new Error('another one by now'), { code: 'precondition_failed' })
      if (JSON.stringify(current) !== JSON.stringify(seen)) throw failed
    }
  }
  const isRefused = (error: Error & { code?: string }): boolean => REFUSED.includes(error.code ?? '')

  for (const [kind, make] of Object.entries(THINGS)) {
    test(`${kind} as it was read is not changed or removed over another one's change, on ${database.name}`, async () => {
      const base = await setUp()
      const thing = await make(base)
      const check = await asRead(thing)
      base.meanwhile(() => thing.change(2))
      await assert.rejects(thing.change(3, check), isRefused)
      const after = await thing.read()
      assert.throws(() => check(after))
      await thing.change(4, await asRead(thing))
      assert.notDeepEqual(await thing.read(), after)

      if (!thing.remove) return
      const newest = await asRead(thing)
      base.meanwhile(() => thing.change(5))
      await assert.rejects(thing.remove(newest), isRefused)
      await thing.remove(await asRead(thing))
      await assert.rejects(thing.read(), /there is no|has no/)
    })

    test(`of those who change ${kind} as all have read it one gets through, on ${database.name}`, async () => {
      const thing = await make(await setUp())
      for (let round = 0; round < 5; round++) {
        const check = await asRead(thing)
        // Different from the rounds before, and each from the others.
        const changes = [1, 2, 3].map((n) => thing.change((round % 2) * 3 + n, check))
        const ends = await Promise.allSettled(changes)
        const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
        assert.equal(refusals.length, 2, String(refusals))
        for (const refusal of refusals) assert.ok(isRefused(refusal), String(refusal))
      }
    })

    if (kind === LIMITS) continue
    test(`of a change of ${kind} and its removal, both as it was read, one gets through, on ${database.name}`, async () => {
      const base = await setUp()
      for (let round = 0; round < 5; round++) {
        const thing = await make(base)
        const check = await asRead(thing)
        const ends = await Promise.allSettled([thing.change(7, check), thing.remove?.(check)])
        assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1)
        if (ends[1].status === 'rejected') await thing.remove?.()
      }
    })
  }
}
