import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { findTests } from './find-tests.ts'
import { makeTempFolder } from './temp-folder.ts'

const makeTree = async (t: TestContext): Promise<string> => {
  const root = await makeTempFolder(t)
  const files = [
    'src/engine/run.test.ts',
    'src/engine/run.ts',
    'src/tasks/run.test.ts',
    'test/a.test.ts',
    'test/kill/k.test.ts',
  ]
  for (const file of [...files, 'examples/x.test.ts']) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    writeFileSync(path.join(root, file), '')
  }
  return root
}

const found = (root: string, ...words: string[]): string[] =>
  findTests(root, words).files.map((file) => path.relative(root, file))

test('findTests() takes all of src and test, without the kill tests, when nothing is named', async (t) => {
  assert.deepEqual(found(await makeTree(t)), ['src/engine/run.test.ts', 'src/tasks/run.test.ts', 'test/a.test.ts'])
})

test('findTests() understands a file, a folder, a glob and a part of a path', async (t) => {
  const root = await makeTree(t)
  assert.deepEqual(found(root, 'examples/x.test.ts'), ['examples/x.test.ts'])
  assert.deepEqual(found(root, 'src/engine'), ['src/engine/run.test.ts'])
  assert.deepEqual(found(root, 'src/*/run.test.ts', 'src/tasks/'), ['src/engine/run.test.ts', 'src/tasks/run.test.ts'])
  assert.deepEqual(found(root, 'tasks/ru'), ['src/tasks/run.test.ts'])
})

test('findTests() names the words that mean nothing', async (t) => {
  assert.deepEqual(findTests(await makeTree(t), ['src/engine', 'nothing']).unknown, ['nothing'])
})
