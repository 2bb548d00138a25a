import assert from 'node:assert/strict'
import test from 'node:test'
import { makeFakeClock } from '../platform/clock.ts'
import { makeCatalog } from './catalog.ts'
import { failureOf } from './testing.ts'
import { functionOf } from './testing-service.ts'
import type { SkillContent, SkillRecord } from './types.ts'

const record = (version: number): SkillRecord => ({
  id: 'id-1',
  tenantId: 't',
  projectId: null,
  name: 'sums',
  kind: 'function',
  status: 'active',
  version,
  createdAtMs: 0,
  updatedAtMs: 0,
})

/** A catalog over rows in memory, which counts how often they are read, and tools that tell their version. */
const makeTestCatalog = (cacheMax = 10) => {
  const reads = { skill: 0, content: 0, compiled: 0 }
  const rows = { current: record(1), answer: Promise.resolve(), isBroken: false }
  const catalog = makeCatalog({
    skills: {
      async skill() {
        reads.skill++
        const skill = rows.current
        await rows.answer
        return skill
      },
      async content(_tenantId, _skillId, version): Promise<SkillContent> {
        reads.content++
        return { description: '', definition: functionOf(String(version)) }
      },
    },
    builtins: [],
    compile(definition) {
      reads.compiled++
      if (rows.isBroken) throw new Error('broken')
      const description = 'source' in definition ? definition.source : ''
      return [{ name: 'run', description, inputSchema: {}, run: async () => null }]
    },
    clock: makeFakeClock(),
    cacheMs: 1000,
    cacheMax,
  })
  const version = async (kind = 'skill:sums/run') =>
    Number(/\{ (\d+) \}/.exec((await catalog.toolHandler('t', kind)).description)?.[1])
  return { catalog, reads, rows, version }
}

test('catalog reads and compiles a version once, however many ask at the same time', async () => {
  const { reads, version } = makeTestCatalog()
  assert.equal(await version(), 1)
  await Promise.all([version(), version('skill:sums@1/run'), version()])
  assert.deepEqual(reads, { skill: 1, content: 1, compiled: 1 })
})

test('catalog does not keep a skill that was read before it was changed here', async () => {
  const { catalog, rows, version } = makeTestCatalog()
  const { promise, resolve } = Promise.withResolvers<void>()
  rows.answer = promise
  const early = version()
  catalog.changed(record(2))
  resolve()
  await early
  assert.equal(await version(), 2)
})

test('catalog keeps no more versions than it may', async () => {
  const { reads, version } = makeTestCatalog(2)
  for (const wanted of [1, 2, 3]) assert.equal(await version(`skill:sums@${wanted}/run`), wanted)
  await version('skill:sums@3/run')
  assert.equal(reads.compiled, 3)
  await version('skill:sums@1/run')
  assert.equal(reads.compiled, 4)
})

test('catalog tries a version again that could not be made', async () => {
  const { rows, version } = makeTestCatalog()
  rows.isBroken = true
  await assert.rejects(version(), /broken/)
  rows.isBroken = false
  assert.equal(await version(), 1)
})

test('catalog names a reference that means nothing', async () => {
  const { catalog } = makeTestCatalog()
  for (const reference of ['', 'sums@0', 'sums@', 'a b', 'sums/run/more', 'ü'])
    assert.match((await failureOf(catalog.toolsFor('t', [reference]))).message, /does not name a skill: write NAME/)
})
