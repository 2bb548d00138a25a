/** The kill test in short (test/kill has the long one), and proof that its witness sees each promise broken: else it proves nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effect } from './kill/effects.ts'
import { runKillTest } from './kill/kill-test.ts'
import type { JournalLine, Remains, TaskLine } from './kill/remains.ts'
import { makeWitness, type Promised, type Seen } from './kill/witness.ts'
import { makeTempFolder } from './support/temp-folder.ts'

test('a server killed with SIGKILL again and again completes its runs and does nothing finished again', async (t) => {
  const folder = await makeTempFolder(t)
  const seed = Date.now() % 1_000_000
  const { checks } = await runKillTest({ seed, kills: 3, steps: 30, folder, say: (line) => t.diagnostic(line) })
  for (const { name, problems } of checks) assert.deepEqual(problems, [], `${name} (seed ${seed})`)
})

const step: JournalLine = { runId: 'run', position: 1, key: 'step 1', kind: 'step', value: '"a"' }
const turn: JournalLine = { runId: 'agent', position: 1, key: 'turn#2', kind: 'step', value: '{}' }
const done: TaskLine = { id: 'task', runId: 'run', stepKey: 'step 2', status: 'completed', attempt: 1, output: '"b"' }

const effect = (idempotencyKey: string): Effect => ({ step: 'step', idempotencyKey, pid: 1, value: 'a' })

const seen = (more: Partial<Remains & { effects: Effect[]; calls: number }> = {}): Seen => ({
  remains: { journal: more.journal ?? [step, turn], tasks: more.tasks ?? [done], events: [] },
  effects: [effect('run/step 1'), effect('task'), ...(more.effects ?? [])],
  model: { of: () => more.calls ?? 1 },
})

const cases: readonly { name: string; promise: Promised; later: Seen }[] = [
  { name: 'a journaled step that runs again', promise: 'steps', later: seen({ effects: [effect('run/step 1')] }) },
  { name: 'a completed task that runs again', promise: 'tasks', later: seen({ effects: [effect('task')] }) },
  {
    name: 'a completed task that gets another attempt',
    promise: 'tasks',
    later: seen({ tasks: [{ ...done, attempt: 2 }] }),
  },
  { name: 'a completed task that is gone', promise: 'tasks', later: seen({ tasks: [] }) },
  { name: 'a committed turn that is asked for again', promise: 'turns', later: seen({ calls: 2 }) },
  { name: 'a journal that lost a line', promise: 'journal', later: seen({ journal: [step] }) },
  {
    name: 'a journal whose line changed',
    promise: 'journal',
    later: seen({ journal: [{ ...step, value: '"z"' }, turn] }),
  },
]

for (const { name, promise, later } of cases) {
  test(`the witness sees ${name}`, () => {
    const witness = makeWitness()
    witness.look(seen())
    witness.look(later)
    for (const [promised, problems] of Object.entries(witness.broken)) {
      assert.equal(problems.length, promised === promise ? 1 : 0, `${promised}: ${problems.join('; ')}`)
    }
  })
}

test('the witness lets work that was under way at a kill be done again', () => {
  const witness = makeWitness()
  witness.look(seen({ journal: [], tasks: [{ ...done, status: 'running' }] }))
  witness.look(seen({ effects: [effect('run/step 1'), effect('task')] }))
  assert.deepEqual(Object.values(witness.broken).flat(), [])
})
