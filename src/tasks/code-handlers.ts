/** Tasks written in code: what a loaded folder registers, by name. They serve all tenants of the process. */
import { taskErrors } from './errors.ts'
import type { TaskHandler } from './types.ts'

export interface CodeHandlers {
  /** The same name again replaces the code for attempts to come. */
  register(name: string, handler: TaskHandler): void
  find(kind: string): TaskHandler
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
  const handlers = new Map<string, TaskHandler>()
  return {
    register(name, handler) {
      handlers.set(name, handler)
    },
    find(kind) {
      const found = handlers.get(kind)
      if (!found) throw taskErrors.unknown_kind(`nothing does "${kind}"; ${hintFor(kind, [...handlers.keys()])}`)
      return found
    },
  }
}
