/** Tasks written in code: what a loaded folder registers, by name. They serve all tenants of the process. */
import { compileRetry, parseDuration, type RetryPolicy } from '../engine/index.ts'
import { taskErrors } from './errors.ts'
import type { TaskDefaults, TaskHandler } from './types.ts'

export interface CodeHandlers {
  /** The same name again replaces the code for attempts to come. */
  register(name: string, handler: TaskHandler, options?: { retry?: RetryPolicy; timeout?: number | string }): void
  find(kind: string): TaskHandler
  defaultsOf(kind: string): TaskDefaults | undefined
}

const hintFor = (kind: string, known: readonly string[]): string => {
  const run = /^(agent|workflow):(.*)$/.exec(kind)
  if (run) return `an ${run[1]} is run, not made as a task: POST /v1/runs { "${run[1]}": "${run[2]}" }`
  const names =
    known.length > 0
      ? `, or a loaded task handler (${known.slice(0, 20).join(', ')})`
      : ' (no task handlers are loaded)'
  return `allowed: "skill:NAME/TOOL"${names}`
}

export const makeCodeHandlers = (): CodeHandlers => {
  const handlers = new Map<string, { readonly handler: TaskHandler; readonly defaults: TaskDefaults }>()
  return {
    register(name, handler, options = {}) {
      const retry = options.retry && compileRetry(options.retry, 1)
      const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, 'timeout')
      handlers.set(name, { handler, defaults: { retry, timeoutMs } })
    },
    find(kind) {
      const found = handlers.get(kind)
      if (!found) throw taskErrors.unknown_kind(`nothing does "${kind}"; ${hintFor(kind, [...handlers.keys()])}`)
      return found.handler
    },
    defaultsOf: (kind) => handlers.get(kind)?.defaults,
  }
}
