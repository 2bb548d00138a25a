import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runBranches } from './branches.ts'
import { BranchStopped } from './errors.ts'

const tick = () => new Promise((resolve) => setImmediate(resolve))

describe('runBranches()', () => {
  test('starts in order and keeps to the concurrency', async () => {
    const started: number[] = []
    let open = 0
    let most = 0
    const start = async (i: number) => {
      started.push(i)
      most = Math.max(most, ++open)
      await tick()
      open--
    }
    await runBranches({ count: 7, concurrency: 3, parent: undefined, start })
    assert.deepEqual(started, [0, 1, 2, 3, 4, 5, 6])
    assert.equal(most, 3)
  })

  test('ends at the first failure without waiting for the others', async () => {
    const signals: AbortSignal[] = []
    const start = (i: number, signal: AbortSignal) => {
      signals.push(signal)
      return i === 1 ? Promise.reject(new Error('bad')) : new Promise(() => undefined)
    }
    await assert.rejects(runBranches({ count: 9, concurrency: 2, parent: undefined, start }), /bad/)
    assert.equal(signals.length, 2)
    assert.ok(signals.every((signal) => signal.aborted))
  })

  test('stops when the outer branch is stopped, and leaves no listener behind', async () => {
    const outer = new AbortController()
    let listeners = 0
    const { signal } = outer
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }) as typeof add
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }) as typeof remove
    await runBranches({ count: 3, concurrency: 1, parent: signal, start: tick })
    assert.equal(listeners, 0)
    const work = runBranches({ count: 3, concurrency: 1, parent: signal, start: tick })
    outer.abort()
    await assert.rejects(work, BranchStopped)
    await assert.rejects(runBranches({ count: 1, concurrency: 1, parent: signal, start: tick }), BranchStopped)
  })

  test('without an end goes on until there is nothing left', async () => {
    let left = 5
    await runBranches({
      count: Number.POSITIVE_INFINITY,
      concurrency: 2,
      parent: undefined,
      start: async () => left-- > 0,
    })
    assert.ok(left < 0)
  })
})
