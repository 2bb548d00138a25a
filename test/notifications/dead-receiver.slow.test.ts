/** A receiver that never answers may not hold the places of the others. How fast those are is measured by dead-receiver.ts. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { DATABASES } from '../support/databases.ts'
import { until } from '../support/until.ts'
import { startFleet } from './dead-receiver.ts'

const PLACES = 10
/** More than there are places: without a bound the dead receiver would hold them all. */
const EVENTS = 2 * PLACES

for (const database of DATABASES) {
  test(`all others are told while a dead receiver hangs, on ${database.name}`, async (t) => {
    const fleet = await startFleet(t, await database.open(), {
      ...{ channels: 10, isFirstDead: true, timeoutMs: 55_000, concurrency: PLACES, places: PLACES },
    })
    for (let i = 0; i < EVENTS; i++) await fleet.tell('run.log', { data: { message: String(i) } })
    const [dead, ...alive] = fleet.names as [string, ...string[]]
    for (const name of alive) {
      const { calls } = await until(`all calls of ${name}`, async () => {
        const found = await fleet.receiver.calls(name)
        return found.calls.length === EVENTS ? found : undefined
      })
      assert.ok(calls.every(({ isVerified }) => isVerified))
    }
    const { calls, mostOpen } = await fleet.receiver.calls(dead)
    assert.ok(calls.length > 0 && mostOpen <= PLACES / 2, `${mostOpen} calls at a time`)
    // None of its calls has ended: the others did not wait for that.
    assert.equal(mostOpen, calls.length)
  })
}
