import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../platform/errors.ts'
import { parseDuration } from './duration.ts'
import { NonRetryableError } from './errors.ts'
import { backoffMs, compileRetry, nextAttemptMs } from './retry.ts'

const half = (): number => 0.5

test('parseDuration() reads numbers and texts, and refuses the rest by name', () => {
  assert.equal(parseDuration(250), 250)
  assert.equal(parseDuration('2 days'), 172_800_000)
  assert.equal(parseDuration('1h 30m'), 5_400_000)
  assert.equal(parseDuration('1.5 s'), 1500)
  for (const bad of ['', 'soon', '5', '5 parsecs', '1h and 2m', '-1 s', Number.NaN, -1, 1e300, '999999999999 weeks']) {
    assert.throws(() => parseDuration(bad), { code: 'duration_invalid' }, String(bad))
  }
})

test('backoffMs() grows as its kind says, up to the longest', () => {
  const waits = (backoff: 'constant' | 'linear' | 'exponential'): number[] =>
    [1, 2, 3, 4].map((attempt) => backoffMs(compileRetry({ backoff, delay: 100, maxDelay: 350 }, 5), attempt, half))
  assert.deepEqual(waits('constant'), [100, 100, 100, 100])
  assert.deepEqual(waits('linear'), [100, 200, 300, 350])
  assert.deepEqual(waits('exponential'), [100, 200, 350, 350])
})

test('backoffMs() leaves the part of the jitter to chance, both ways', () => {
  const retry = compileRetry({ delay: 1000, jitter: 0.2 }, 3)
  assert.equal(
    backoffMs(retry, 1, () => 0),
    800,
  )
  assert.equal(
    backoffMs(retry, 1, () => 1),
    1200,
  )
})

test('nextAttemptMs() stops at the attempts, at terminal errors and at named codes', () => {
  const retry = compileRetry({ attempts: 3, delay: 10, nonRetryable: ['card_refused'] }, 1)
  assert.equal(nextAttemptMs(retry, 1, new Error('x'), half), 10)
  assert.equal(nextAttemptMs(retry, 3, new Error('x'), half), undefined)
  assert.equal(nextAttemptMs(retry, 1, new NonRetryableError('no'), half), undefined)
  assert.equal(nextAttemptMs(retry, 1, new AppError('bad', 'bad', { status: 422 }), half), undefined)
  assert.equal(nextAttemptMs(retry, 1, new AppError('busy', 'busy', { status: 429, retryable: true }), half), 10)
  assert.equal(nextAttemptMs(retry, 1, Object.assign(new Error('x'), { code: 'card_refused' }), half), undefined)
})

test('nextAttemptMs() waits at least as long as the error asks for', () => {
  const retry = compileRetry({ attempts: 3, delay: 10 }, 1)
  const busy = new AppError('busy', 'busy', { status: 503, retryable: true, retryAfterMs: 5000 })
  assert.equal(nextAttemptMs(retry, 1, busy, half), 5000)
})

test('nextAttemptMs() gives whole milliseconds whatever an error asks for', () => {
  const retry = compileRetry({ attempts: 3, delay: 10 }, 1)
  const asking = (retryAfterMs: number) => new AppError('busy', 'busy', { status: 503, retryable: true, retryAfterMs })
  const waits = [12.3, Number.NaN, -5, Number.POSITIVE_INFINITY].map((ms) => nextAttemptMs(retry, 1, asking(ms), half))
  assert.deepEqual(waits, [13, 10, 10, 3_155_760_000_000])
})

test('compileRetry() names a wrong value', () => {
  assert.throws(() => compileRetry({ attempts: 0 }, 1), { code: 'retry_invalid', message: /attempts is 0/ })
  assert.throws(() => compileRetry({ jitter: 2 }, 1), { code: 'retry_invalid', message: /jitter is 2/ })
})
