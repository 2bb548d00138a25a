import assert from 'node:assert/strict'
import test, { after, describe } from 'node:test'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock } from '../../platform/clock.ts'
import { AppError } from '../../platform/errors.ts'
import type { Json } from '../../platform/json.ts'
import { type ConsoleLine, makeSandbox, type SandboxCall } from './sandbox.ts'

const sandbox = makeSandbox({ maxWorkers: 2, idleMs: 60_000 })
after(() => sandbox.stop())

const MB = 1024 * 1024
const limits = { timeoutMs: 20_000, memoryBytes: 16 * MB, maxOutputBytes: 10_000 }
const call = (source: string, input: Json = null, more: Partial<SandboxCall> = {}): Promise<Json> =>
  sandbox.call({ source, entry: 'main', input, ...limits, ...more })

const failure = async (promise: Promise<unknown>): Promise<AppError> => {
  const error = await promise.then(
    () => assert.fail('should fail'),
    (e: unknown) => e,
  )
  assert.ok(error instanceof AppError, String(error))
  return error
}

describe('sandbox call()', () => {
  const forms: [name: string, source: string, entry: string][] = [
    ['a function of a script', 'function main(input) { return input.a + input.b }', 'main'],
    ['a constant of a script', 'const main = ({ a, b }) => a + b', 'main'],
    ['an exported function', 'export function main({ a, b }) { return a + b }', 'main'],
    [
      'an exported async function',
      'const add = async (a, b) => a + b\nexport const main = async (i) => add(i.a, await i.b)',
      'main',
    ],
    ['a default export', 'export default (i) => i.a + i.b', 'default'],
    [
      'a module with top-level await',
      'const one = await Promise.resolve(1)\nexport const main = (i) => i.a + i.b * one',
      'main',
    ],
    [
      'a script that only quotes an export',
      'const text = `\nexport const x`\nfunction main(i) { return i.a + i.b }',
      'main',
    ],
  ]
  for (const [name, source, entry] of forms)
    test(`runs ${name}`, async () => assert.equal(await call(source, { a: 1, b: 2 }, { entry }), 3))

  test('carries JSON in and out unchanged', async () => {
    const value = { text: 'ü\u2028😀\0', list: [1, -0.5, 1e21, null, true, []], __proto__x: { '': '' } }
    assert.deepEqual(await call('const main = (i) => i', value), value)
  })

  test('gives null for nothing', async () => assert.equal(await call('function main() {}'), null))

  test('keeps nothing from one call to the next', async () => {
    const source =
      'globalThis.seen = (globalThis.seen ?? 0) + 1; Object.prototype.leak ??= 0; Object.prototype.leak++\n' +
      'function main() { return [seen, ({}).leak] }'
    for (let i = 0; i < 5; i++) assert.deepEqual(await call(source), [1, 1])
  })

  test('offers no way to files, network, timers, threads or imports', async () => {
    const names = [
      'process',
      'require',
      'fetch',
      'setTimeout',
      'WebAssembly',
      'Deno',
      'std',
      'os',
      'Worker',
      'performance',
    ]
    const source = `const main = () => [${names.map((n) => `typeof ${n}`).join()}]`
    assert.deepEqual(
      await call(source),
      names.map(() => 'undefined'),
    )
    for (const bad of [
      'export const main = () => import("node:fs")',
      'import fs from "node:fs"\nexport const main = () => 1',
    ])
      assert.match((await failure(call(bad))).message, /could not load module/)
    const viaConstructor = 'const main = () => main.constructor("return typeof process + typeof require")()'
    assert.equal(await call(viaConstructor), 'undefinedundefined')
  })

  test('hands out what the function wrote to the console, cut to a bound', async () => {
    let lines: readonly ConsoleLine[] = []
    const onConsole = (given: readonly ConsoleLine[]): void => {
      lines = given
    }
    await call('const main = () => { console.log("a", 1, { b: 2 }); console.error(new Error("c")) }', null, {
      onConsole,
    })
    assert.deepEqual(lines[0], { level: 'info', text: 'a 1 {"b":2}' })
    assert.equal(lines[1]?.level, 'error')
    assert.match(lines[1]?.text ?? '', /^Error: c\n.*function\.js:1/)
    await call('const main = () => { for (let i = 0; i < 1e4; i++) console.log(i) }', null, { onConsole })
    assert.equal(lines.length, 200)
    await call('const main = () => { for (;;) console.log("x".repeat(100000)) }', null, {
      onConsole,
      timeoutMs: 100,
    }).catch(() => {})
    assert.ok(JSON.stringify(lines).length < 20_000)
  })

  test('hands out the console of a function that fails', async () => {
    let text = ''
    const onConsole = (lines: readonly ConsoleLine[]): void => {
      text = lines.map((l) => l.text).join()
    }
    await failure(call('const main = () => { console.warn("before"); throw new Error("x") }', null, { onConsole }))
    assert.equal(text, 'before')
  })
})

describe('sandbox limits', () => {
  const failing: [name: string, code: string, source: string, more?: Partial<SandboxCall>][] = [
    ['an endless loop', 'function_timeout', 'function main() { for (;;); }', { timeoutMs: 100 }],
    [
      'an endless loop that catches',
      'function_timeout',
      'function main() { for (;;) try { for (;;); } catch {} finally { continue } }',
      { timeoutMs: 100 },
    ],
    ['an endless loop while it loads', 'function_timeout', 'for (;;);', { timeoutMs: 100 }],
    [
      'an endless chain of promises',
      'function_timeout',
      'async function main() { for (;;) await 0 }',
      { timeoutMs: 100 },
    ],
    [
      'an endless getter of a thrown error',
      'function_timeout',
      'function main() { throw { get message() { for (;;); } } }',
      { timeoutMs: 100 },
    ],
    ['an endless toJSON', 'function_timeout', 'const main = () => ({ toJSON() { for (;;); } })', { timeoutMs: 100 }],
    [
      'a catastrophic pattern',
      'function_timeout',
      'const main = () => /^(a+)+$/.test("a".repeat(40) + "b")',
      { timeoutMs: 100 },
    ],
    [
      'one long native call',
      'function_timeout',
      'const main = () => new Array(3e9).join("ab").length',
      { timeoutMs: 100 },
    ],
    ['a huge array', 'function_memory', 'const main = () => new Uint8Array(1e9).length'],
    [
      'growing without end',
      'function_memory',
      'function main() { const all = []; for (;;) all.push(new Array(1000).fill(1)) }',
    ],
    [
      'growing text without end',
      'function_memory',
      'function main() { const all = []; for (;;) all.push("abc".repeat(1000)) }',
    ],
    [
      'growing by small things without end',
      'function_memory',
      'function main() { const all = []; for (;;) all.push({}) }',
    ],
    [
      'an input larger than its memory',
      'function_memory',
      'const main = (i) => i.length',
      { input: 'x'.repeat(8 * MB), memoryBytes: 4 * MB },
    ],
    ['endless recursion', 'function_memory', 'function main(n) { return main(n + 1) + 1 }'],
    [
      'deep nesting of an array',
      'function_memory',
      'function main() { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a }',
    ],
    ['deep nesting of a source', 'function_memory', 'const main = () => eval("(".repeat(1e5) + ")".repeat(1e5))'],
    ['a large result', 'function_invalid', 'const main = () => "x".repeat(20000)'],
    ['a large result in few characters', 'function_invalid', 'const main = () => "😀".repeat(4000)'],
    ['a source that does not parse', 'function_invalid', 'function main( {'],
    ['a module that does not parse', 'function_invalid', 'export const main = ;'],
    ['a source that throws while it loads', 'function_invalid', 'throw new Error("x")'],
    ['a missing function', 'function_invalid', 'function other() {}'],
    ['a function that is not exported', 'function_invalid', 'export const other = 1; function main() {}'],
    ['an entry that is no name', 'function_invalid', 'function main() {}', { entry: 'main(),main' }],
    ['an entry that is no function', 'function_invalid', 'const main = 1'],
    ['a function as result', 'function_invalid', 'const main = () => main'],
    ['a BigInt as result', 'function_invalid', 'const main = () => 1n'],
    ['a circular result', 'function_invalid', 'const main = () => { const a = {}; a.a = a; return a }'],
    ['a promise that never settles', 'function_invalid', 'const main = () => new Promise(() => {})'],
    ['a thrown text', 'function_threw', 'const main = () => { throw "no" }'],
    ['a thrown object', 'function_threw', 'const main = () => { throw { toJSON() { throw 1 } } }'],
    ['a rejected promise', 'function_threw', 'const main = async () => { await 0; throw new TypeError("no") }'],
  ]
  for (const [name, code, source, more] of failing)
    test(`refuse ${name} with ${code}`, async () => {
      const error = await failure(call(source, more?.input ?? null, more))
      assert.equal(error.code, code, error.message)
      assert.equal(error.retryable, false)
      // The function is stopped from inside; only what cannot be costs its thread.
      assert.equal(/thread was ended/.test(error.message), name === 'one long native call')
    })

  test('grant the memory that is asked for, and little more', async () => {
    const source = `function main() {
      const blocks = []
      try { for (;;) blocks.push(new Uint8Array(100_000)) } catch {}
      const held = blocks.length * 100_000
      blocks.length = 0
      return held
    }`
    for (const mb of [16, 32, 64]) {
      const held = Number(await call(source, null, { memoryBytes: mb * MB }))
      assert.ok(held > 0.75 * mb * MB && held < 1.1 * mb * MB, `${mb} MiB asked for, ${held} bytes held`)
    }
  })

  test('leave the sandbox whole for the next call', async () => {
    assert.equal(await call('const main = (i) => i + 1', 1), 2)
    assert.ok(sandbox.threads() <= 2)
  })
})

describe('sandbox errors', () => {
  test('tell the message, the name and the line of what was thrown', async () => {
    const source = 'function main() {\n  return inner()\n}\nfunction inner() {\n  throw new RangeError("too far")\n}'
    const error = await failure(call(source))
    assert.equal(error.message, 'RangeError: too far (line 5)')
    assert.deepEqual({ ...error.details, column: 0 }, { name: 'RangeError', line: 5, column: 0 })
  })

  test('tell the line of a syntax error', async () => {
    const error = await failure(call('const a = 1\nconst b = = 2'))
    assert.equal(error.details?.line, 2)
  })
})

describe('sandbox check()', () => {
  test('accepts a source whose entries are functions', () =>
    sandbox.check('export const a = () => 1\nexport default () => 2', ['a', 'default']))

  test('refuses a source without one of them, or that does not load or end', async () => {
    for (const source of ['export const a = 1', 'export const b = () => 1', 'export const a = (', 'for (;;);'])
      assert.equal((await failure(sandbox.check(source, ['a']))).code, 'function_invalid', source)
  })
})

describe('sandbox threads', () => {
  test('never hold up the main thread', async () => {
    // The thread is there from now on, and begins at once.
    await call('const main = (i) => i')
    const abort = new AbortController()
    let ticks = 0
    const timer = setInterval(() => ++ticks > 20 && abort.abort(new Error('ticked')), 10)
    // Ended by the timer of the main thread, not by the time-out of the function.
    await assert.rejects(call('function main() { for (;;); }', null, { signal: abort.signal }), { message: 'ticked' })
    clearInterval(timer)
  })

  test('are let go by a call that is aborted, running or waiting', async () => {
    // Its clock stands still: no thread is ended for being late, so the only one there may be has to go on.
    const mine = makeSandbox({ maxWorkers: 1, idleMs: 60_000, clock: makeFakeClock() })
    try {
      const abort = new AbortController()
      const job = { source: 'function main() { for (;;); }', entry: 'main', input: null, ...limits, timeoutMs: 1e9 }
      const running = mine.call({ ...job, signal: abort.signal })
      const waiting = mine.call({ ...job, signal: abort.signal })
      const later = mine.call({ ...job, source: 'const main = () => 7' })
      setTimeout(() => abort.abort(new Error('enough')), 200)
      await assert.rejects(running, { message: 'enough' })
      await assert.rejects(waiting, { message: 'enough' })
      assert.equal(await later, 7)
      await assert.rejects(mine.call({ ...job, signal: abort.signal }), { message: 'enough' })
    } finally {
      await mine.stop()
    }
  })

  test('start with the first call, are no more than allowed, and end when idle', async () => {
    const mine = makeSandbox({ maxWorkers: 2, idleMs: 50 })
    assert.equal(mine.threads(), 0)
    const calls = Array.from({ length: 6 }, (_, i) =>
      mine.call({ source: 'const main = (i) => i', entry: 'main', input: i, ...limits }),
    )
    assert.equal(mine.threads(), 2)
    assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3, 4, 5])
    await until('the threads to end', () => mine.threads() === 0)
    await mine.stop()
  })

  test('are all ended by stop(), which tells the calls under way', async () => {
    const mine = makeSandbox({ maxWorkers: 1, idleMs: 50 })
    const job = { source: 'function main() { for (;;); }', entry: 'main', input: null, ...limits, timeoutMs: 60_000 }
    const calls = [mine.call(job), mine.call(job)].map(failure)
    await mine.stop()
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'function_unavailable')
    assert.equal((await failure(mine.call(job))).code, 'function_unavailable')
    assert.equal(mine.threads(), 0)
  })
})
