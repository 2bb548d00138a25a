/** The function of a live run: called once, asks for commands, and goes on when it is told their answers. */
import type { CommandSink } from './command.ts'
import { makeContext } from './context.ts'
import type { ErrorRecord } from './error-record.ts'
import { RunError } from './errors.ts'
import type { News } from './news.ts'
import { makeSeededRandom } from './random.ts'
import type { RunMemory } from './run-memory.ts'
import type { WorkflowFunction } from './types.ts'

export interface RunFunction {
  begin(): void
  /** Tells it one piece of news, of the moment or of the journal. */
  tell(news: Pick<News, 'key' | 'kind' | 'outcome' | 'value' | 'ref'>): void
  /** Resolves when the function and all it woke have gone as far as they can: microtasks only, since it does no I/O of its own. */
  drained(): Promise<void>
}

const nextTurnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** `turn` is called when it has asked for something or has ended. */
export const makeRunFunction = (memory: RunMemory, program: WorkflowFunction, turn: () => void): RunFunction => {
  const { run, pending, record } = memory
  const root = new AbortController()
  const counts = new Map<string, number>()
  let pausing = 0

  const sink: CommandSink = {
    runId: run.id,
    tenantId: run.tenantId,
    nextKey(name) {
      let count = counts.get(name) ?? 0
      const key = (): string => (count === 1 ? name : `${name}#${count}`)
      do count++
      while (count > 1 && counts.has(key()))
      counts.set(name, count)
      if (count > 1) counts.set(key(), 1)
      return key()
    },
    request(command, signal) {
      const answer = pending.add(command, signal)
      turn()
      return answer
    },
    now: () => memory.nowMs,
    random: makeSeededRandom(run.id),
    log: record,
    async pause() {
      pausing++
      await nextTurnOfLoop()
      pausing--
    },
  }

  return {
    begin() {
      record('run.started', { target: run.target, version: run.version })
      const ctx = makeContext(sink, root.signal)
      const call = async (): Promise<unknown> => program(ctx, run.input)
      call().then(
        (value) => {
          memory.outcome = { ok: true, value }
          turn()
        },
        (error: unknown) => {
          memory.outcome = { ok: false, error }
          turn()
        },
      )
    },
    tell(news) {
      if (news.kind === 'cancel') {
        memory.cancelled = true
        root.abort('the run was cancelled')
        return
      }
      const found = pending.get(news.key)
      if (!found) return
      if (news.kind === 'attempt') {
        found.attempt++
        found.answered = false
        pending.setRetry(found, Number(news.ref))
        return
      }
      pending.take(news.key)
      if (news.outcome === 'ok') found.resolve(news.value)
      else found.reject(new RunError(news.value as unknown as ErrorRecord))
    },
    async drained() {
      do await nextTurnOfLoop()
      while (pausing > 0)
    },
  }
}
