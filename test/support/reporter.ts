/** A reporter for node:test: a line per file, the failures in full, and Node's usual closing lines. */
import path from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

type Of<T extends TestEvent['type']> = Extract<TestEvent, { type: T }>['data']

/** What is known of a file that is still running. */
interface FileState {
  tests: number
  skipped: number
  failures: string[]
  output: string
}

/** What the list at the end repeats of a failure: whoever sees only the end of a long output learns the cause. */
const LINES_AGAIN = 12

/** Output of a file is kept until it ends, and shown only if it fails. */
const OUTPUT_LIMIT = 50_000

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const indent = (text: string): string => text.replace(/^(?=.)/gm, '    ')

const beginningOf = (text: string): string => text.split('\n').slice(0, LINES_AGAIN).join('\n')

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, FileState>()
  const failed: string[] = []
  const closing: string[] = []
  const stateOf = (file: string): FileState => {
    const full = path.resolve(file)
    const state = files.get(full) ?? { tests: 0, skipped: 0, failures: [], output: '' }
    files.set(full, state)
    return state
  }

  const closeFile = (data: Of<'test:complete'>): string => {
    const state = stateOf(data.name)
    const name = path.relative('.', data.name)
    files.delete(path.resolve(data.name))
    const empty = state.tests === 0 && data.details.passed
    // Node counts a file without tests as one that passed.
    if (empty) process.exitCode = 1
    const good = data.details.passed && !empty
    if (good) {
      const skips = state.skipped > 0 ? `, ${state.skipped} skipped` : ''
      return `✔ ${name} (${state.tests} tests${skips}, ${seconds(data.details.duration_ms)})\n`
    }
    const reasons = state.failures.length > 0 ? state.failures : [empty ? 'holds no test' : 'the file itself failed']
    failed.push(...reasons.map((reason) => `${name}: ${beginningOf(reason)}`))
    const output = state.output ? `  its output:\n${indent(state.output.trimEnd())}\n` : ''
    if (state.failures.length === 0 && output) failed.push(beginningOf(`${name}, ${output.trim()}`))
    const details = reasons.map((reason) => `  ✖ ${reason}\n`).join('')
    return `✖ ${name} (${state.tests} tests, ${seconds(data.details.duration_ms)})\n${details}${output}`
  }

  /** The answer of one test; a suite counts by its tests, unless a hook of its own failed. */
  const countTest = (data: Of<'test:complete'>): void => {
    const state = stateOf(entryOf(data))
    const { error, type } = data.details
    if (type !== 'suite') state.tests++
    if (data.skip !== undefined) state.skipped++
    if (data.details.passed || data.todo !== undefined || isOnlyOfSubtests(error)) return
    const where = `${path.relative('.', data.file ?? '')}:${data.line ?? 1}`
    state.failures.push(`${data.name} (${where})\n${indent(describe(error?.cause ?? error))}`)
  }

  for await (const { type, data } of source) {
    switch (type) {
      case 'test:complete':
        if (data.nesting === 0 && path.resolve(data.name) === data.file) yield closeFile(data)
        else countTest(data)
        break
      case 'test:stdout':
      case 'test:stderr': {
        const state = stateOf(data.file ?? '')
        if (state.output.length < OUTPUT_LIMIT) state.output += data.message
        break
      }
      case 'test:diagnostic':
        // The totals of the run are the diagnostics that belong to no file. Those of a file say what happened outside its tests, too.
        if (data.file === undefined) closing.push(`# ${data.message}\n`)
        else stateOf(data.file).output += `${data.message}\n`
    }
  }
  if (failed.length > 0) yield `\nfailed:\n${failed.map((line) => `  ✖ ${line}\n`).join('')}`
  yield `\n${closing.join('')}`
}

/** The test file that ran the test; `file` is where it is written, which for a shared suite is another one. */
const entryOf = (data: Of<'test:complete'>): string =>
  'entryFile' in data && typeof data.entryFile === 'string' ? data.entryFile : (data.file ?? '')

/** An assertion that wrote its own message has said in it all that its properties hold. */
const describe = (error: unknown): string => {
  const saidAll = error instanceof Error && 'generatedMessage' in error && error.generatedMessage === true
  const text = saidAll && error.stack ? error.stack : inspect(error, { depth: 8 })
  return text.replace(/^ +at .*node:internal.*\n?/gm, '')
}

/** A suite's own error when it is but the sum of what failed inside it. */
const isOnlyOfSubtests = (error: Error | undefined): boolean =>
  error !== undefined && 'failureType' in error && error.failureType === 'subtestsFailed'
