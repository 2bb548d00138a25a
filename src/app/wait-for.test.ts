import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Patience, waitFor } from './wait-for.ts'

const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
const isAway = (error: unknown): boolean => (error as { code?: string }).code === 'ECONNREFUSED'

const setUp = () => {
  const lines: unknown[] = []
  const pauses: number[] = []
  let nowMs = 0
  const patience: Patience = {
    log: {
      warn: (...words: unknown[]) => void lines.push(words.at(-1)),
      info: (...words: unknown[]) => void lines.push(words.at(-1)),
    },
    now: () => nowMs,
    async pause(ms) {
      pauses.push(ms)
      nowMs += ms
    },
  }
  const server = (failures: number, error = refused()) => {
    let asked = 0
    const attempt = async (): Promise<void> => {
      if (asked++ < failures) throw error
    }
    return { what: 'PostgreSQL', where: 'db:5432', attempt, isAway }
  }
  return { lines, pauses, patience, server }
}

test('waitFor() says once what it waits for and where, and backs off up to two seconds', async () => {
  const { lines, pauses, patience, server } = setUp()
  const reasons: string[] = []
  await waitFor(server(8), { ...patience, onAway: (reason) => void reasons.push(reason) })
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000])
  assert.deepEqual(lines, ['waiting for PostgreSQL at db:5432', 'PostgreSQL is there'])
  assert.equal(reasons.length, 8)
  assert.equal(reasons[7], 'waiting for PostgreSQL at db:5432: connect ECONNREFUSED')
})

test('waitFor() says nothing where the server is there', async () => {
  const { lines, patience, server } = setUp()
  await waitFor(server(0), patience)
  assert.deepEqual(lines, [])
})

test('waitFor() gives up at once what waiting does not mend', async () => {
  const { lines, patience, server } = setUp()
  const wrong = new Error('password authentication failed for user "aidos"')
  await assert.rejects(waitFor(server(1, wrong), patience), {
    code: 'server_refuses',
    message: 'PostgreSQL at db:5432: password authentication failed for user "aidos"',
  })
  assert.deepEqual(lines, [])
})

test('waitFor() gives up when its time is over', async () => {
  const { pauses, patience, server } = setUp()
  await assert.rejects(waitFor(server(99), { ...patience, withinMs: 1000 }), { code: 'server_away' })
  assert.equal(
    pauses.reduce((sum, ms) => sum + ms, 0),
    1000,
  )
})

test('waitFor() ends at once when told to, between two tries and in the middle of one', async () => {
  const { patience, server } = setUp()
  const { pause: _none, ...real } = patience
  const first = new AbortController()
  let isLater = false
  const stopInThePause = (): void => {
    first.abort()
    setImmediate(() => {
      isLater = true
    })
  }
  const stop = { ...real, signal: first.signal, onAway: () => void setImmediate(stopInThePause) }
  await assert.rejects(waitFor(server(99), stop), { code: 'start_stopped' })
  assert.equal(isLater, false, 'it waited for something else')
  const second = new AbortController()
  const hanging = {
    ...server(0),
    attempt: (signal?: AbortSignal) =>
      new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('called off')))
        second.abort()
      }),
  }
  await assert.rejects(waitFor(hanging, { ...patience, signal: second.signal }), { code: 'start_stopped' })
})
