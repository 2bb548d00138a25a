/** Runs one function in one QuickJS instance, which is thrown away afterwards. Synchronous: it holds its thread until the end. */
import type { QuickJSContext, QuickJSHandle, QuickJSRuntime, QuickJSWASMModule } from 'quickjs-emscripten-core'
import type { ConsoleLine, Failure, FailureCode, SandboxJob, SandboxOutcome } from './protocol.ts'

const FILE = 'function.js'
/** More overflows the stack that WebAssembly itself is given, which then ends the instance instead of throwing in the function. */
const STACK_BYTES = 256 * 1024
/** Promise jobs run in slices, so that the time is looked at in between. */
const JOBS_PER_SLICE = 1000
const MOST_CONSOLE_LINES = 200
const MOST_CONSOLE_CHARACTERS = 16_384
const LONGEST_MESSAGE = 2000

/** Taken before the user's code runs, so that it cannot be handed replacements. */
const PRELUDE = `((print) => {
  const { parse, stringify } = JSON
  const { String, Error } = globalThis
  const show = (value) =>
    typeof value === 'string' ? value
    : value instanceof Error ? String(value) + '\\n' + value.stack
    : (stringify(value) ?? String(value))
  const level = (name) => (...values) => print(name, values.map(show).join(' '))
  globalThis.console = { log: level('info'), info: level('info'), debug: level('debug'), warn: level('warn'), error: level('error') }
  return {
    call: async (fn, input) => fn(parse(input)),
    encode: (value) => (value === undefined ? 'null' : stringify(value)),
  }
})`

class Stop extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/**
 * `instance` must be fresh: what a function leaves behind, even in freed memory, is gone with it. `stopped` is asked all the
 * time while the function runs.
 */
export const evaluate = (instance: QuickJSWASMModule, job: SandboxJob, stopped: () => boolean): SandboxOutcome => {
  const console: ConsoleLine[] = []
  const deadline = performance.now() + job.timeoutMs
  let overtime = false
  try {
    const runtime = instance.newRuntime()
    runtime.setMemoryLimit(job.memoryBytes)
    runtime.setMaxStackSize(STACK_BYTES)
    runtime.setInterruptHandler(() => {
      overtime ||= performance.now() > deadline
      return overtime || stopped()
    })
    return { output: runJob({ runtime, context: runtime.newContext(), job, deadline }, console), console }
  } catch (error) {
    const failure = overtime ? timeoutFailure(job.timeoutMs) : failureOfHost(error, job)
    return { failure, console }
  }
}

interface Guest {
  readonly runtime: QuickJSRuntime
  readonly context: QuickJSContext
  readonly job: SandboxJob
  readonly deadline: number
}

const runJob = (guest: Guest, console: ConsoleLine[]): string => {
  const { context, job } = guest
  const prelude = take(guest, context.evalCode(PRELUDE, '<prelude>'), 'function_invalid')
  const helpers = take(
    guest,
    context.callFunction(prelude, context.undefined, makePrint(context, console)),
    'function_invalid',
  )
  const find = load(guest)
  if (job.work.kind === 'check') {
    for (const entry of job.work.entries) find(entry)
    return 'null'
  }
  const fn = find(job.work.entry)
  const input = context.newString(job.work.input)
  const promise = take(
    guest,
    context.callFunction(context.getProp(helpers, 'call'), context.undefined, fn, input),
    'function_threw',
  )
  const value = settle(guest, promise, 'function_threw')
  const encoded = take(
    guest,
    context.callFunction(context.getProp(helpers, 'encode'), context.undefined, value),
    'function_invalid',
  )
  return readOutput(guest, encoded)
}

/** Loads the source and returns the search for its functions: among a module's exports, or in a script's global scope. */
const load = (guest: Guest): ((entry: string) => QuickJSHandle) => {
  const { context, job } = guest
  const checked = (entry: string, handle: QuickJSHandle | undefined, where: string): QuickJSHandle => {
    if (handle && context.typeof(handle) === 'function') return handle
    throw new Stop({ code: 'function_invalid', message: `${where} no function named ${JSON.stringify(entry)}` })
  }
  if (isModule(guest)) {
    const evaluated = take(guest, context.evalCode(job.source, FILE, { type: 'module' }), 'function_invalid')
    const exports = settle(guest, evaluated, 'function_invalid')
    return (entry) => checked(entry, context.getProp(exports, entry), 'the module exports')
  }
  take(guest, context.evalCode(job.source, FILE, { type: 'global' }), 'function_invalid')
  return (entry) => {
    // `const f = …` at the top of a script is no property of the global object: only its name leads there.
    const found = IDENTIFIER.test(entry) ? context.evalCode(entry, '<entry>', { type: 'global' }) : undefined
    return checked(entry, found?.error ? undefined : found?.value, 'the script defines')
  }
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u

/** A source is a module when it has the look of one and does not parse as a script. */
const isModule = ({ context, job }: Guest): boolean =>
  /^\s*(?:export|import)\b/m.test(job.source) &&
  context.evalCode(job.source, FILE, { type: 'global', compileOnly: true }).error !== undefined

/** Runs the promise jobs until this promise is settled. Nothing else can settle it: there are no timers and no I/O. */
const settle = (guest: Guest, promise: QuickJSHandle, code: FailureCode): QuickJSHandle => {
  const { runtime, context, job, deadline } = guest
  for (;;) {
    const state = context.getPromiseState(promise)
    if (state.type === 'fulfilled') return state.value
    if (state.type === 'rejected') throw new Stop(failureOf(guest, state.error, code))
    if (!runtime.hasPendingJob()) throw new Stop({ code: 'function_invalid', message: NEVER_SETTLES })
    if (performance.now() > deadline) throw new Stop(timeoutFailure(job.timeoutMs))
    const ran = runtime.executePendingJobs(JOBS_PER_SLICE)
    if (ran.error) throw new Stop(failureOf(guest, ran.error, code))
  }
}

const NEVER_SETTLES =
  'the function waits for a promise that nothing can settle (there are no timers and no I/O in the sandbox)'

const readOutput = ({ context, job }: Guest, encoded: QuickJSHandle): string => {
  if (context.typeof(encoded) !== 'string')
    throw new Stop({
      code: 'function_invalid',
      message: 'the result is a function or a symbol, which JSON cannot hold',
    })
  // Asked for before the text is copied out: UTF-8 is never shorter than the count of characters.
  const characters = context.getLength(encoded) ?? 0
  const text = characters > job.maxOutputBytes ? undefined : context.getString(encoded)
  if (text === undefined || Buffer.byteLength(text) > job.maxOutputBytes)
    throw new Stop({
      code: 'function_invalid',
      message: `the result is larger than ${job.maxOutputBytes} bytes of JSON`,
    })
  return text
}

type Result = { readonly value: QuickJSHandle; readonly error?: undefined } | { readonly error: QuickJSHandle }

const take = (guest: Guest, result: Result, code: FailureCode): QuickJSHandle => {
  if (result.error) throw new Stop(failureOf(guest, result.error, code))
  return result.value
}

/** Reads an error of the guest. It may be anything, with getters that throw or loop: the limits hold here, too. */
const failureOf = ({ context, job }: Guest, handle: QuickJSHandle, code: FailureCode): Failure => {
  const error: unknown = context.dump(handle)
  if (error === null)
    return { code: 'function_memory', message: `${memoryMessage(job)} (or threw null, which looks the same)` }
  if (typeof error !== 'object') return { code, message: cut(`threw ${String(error)}`) }
  const { name, message, stack } = error as { name?: unknown; message?: unknown; stack?: unknown }
  const place = /function\.js:(\d+)(?::(\d+))?/.exec(typeof stack === 'string' ? stack : '')
  const where = place ? { line: Number(place[1]), ...(place[2] && { column: Number(place[2]) }) } : {}
  if (name === 'InternalError' && message === 'out of memory')
    return { code: 'function_memory', message: memoryMessage(job), ...where }
  if (name === 'InternalError' && message === 'stack overflow')
    return { code: 'function_memory', message: STACK_MESSAGE, ...where }
  if (typeof message !== 'string') return { code, message: cut(`threw ${JSON.stringify(error)}`), ...where }
  return { code, message: cut(message), ...(typeof name === 'string' && { name: cut(name) }), ...where }
}

const STACK_MESSAGE = 'the function calls itself too deeply: its stack is full'

/** WebAssembly itself gave up (its own stack was full, or memory could not grow), or the code above is wrong. */
const failureOfHost = (error: unknown, job: SandboxJob): Failure => {
  if (error instanceof Stop) return error.failure
  if (error instanceof RangeError) return { code: 'function_memory', message: STACK_MESSAGE }
  if (error instanceof Error && error.name === 'RuntimeError')
    return { code: 'function_memory', message: memoryMessage(job) }
  throw error
}

const timeoutFailure = (timeoutMs: number): Failure => ({
  code: 'function_timeout',
  message: `the function did not end within ${timeoutMs} ms`,
})

const memoryMessage = (job: SandboxJob): string => `the function needs more than ${job.memoryBytes} bytes of memory`

const cut = (text: string): string => (text.length <= LONGEST_MESSAGE ? text : `${text.slice(0, LONGEST_MESSAGE)}…`)

const makePrint = (context: QuickJSContext, lines: ConsoleLine[]): QuickJSHandle => {
  let left = MOST_CONSOLE_CHARACTERS
  return context.newFunction('print', (level, text) => {
    if (left <= 0 || lines.length === MOST_CONSOLE_LINES) return
    // The length is asked for first: a huge text is never copied out of the guest.
    const line = (context.getLength(text) ?? 0) > left ? '… (cut: too much output)' : context.getString(text)
    left -= Math.max(line.length, context.getLength(text) ?? 0)
    lines.push({ level: context.getString(level) as ConsoleLine['level'], text: line })
  })
}
