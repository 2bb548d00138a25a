import assert from 'node:assert/strict'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { readBindings } from './bindings.ts'
import { readCredentials, writeCredentials } from './credentials.ts'
import { followEditions, readFolder } from './loader.ts'

const write = (folder: string, file: string, text: string): void => {
  mkdirSync(join(folder, file, '..'), { recursive: true })
  writeFileSync(join(folder, file), text)
}

test('readFolder() takes what modules export and States Language files, and leaves tests and packages alone', async () => {
  const folder = await makeTempFolder()
  write(
    folder,
    'a.js',
    "export const w = Object.freeze({ kind: 'workflow', name: 'a', version: 1, run: () => 1 })\nexport const other = 1\n",
  )
  write(folder, 'deep/b.asl.yaml', 'StartAt: A')
  write(folder, 'c.test.js', "throw new Error('not read')")
  write(folder, 'node_modules/d.js', "throw new Error('not read')")
  const items = await readFolder(folder)
  assert.deepEqual(
    items.map(({ file, definition }) => [file, definition.kind, definition.name]),
    [
      ['a.js', 'workflow', 'a'],
      ['deep/b.asl.yaml', 'asl', 'b'],
    ],
  )
})

test('readFolder() reads a changed file anew under another edition', async () => {
  const folder = await makeTempFolder()
  const text = (version: number): string =>
    `export const w = { kind: 'workflow', name: 'a', version: ${version}, run: () => 1 }\n`
  write(folder, 'a.js', text(1))
  await readFolder(folder)
  write(folder, 'a.js', text(2))
  const [item] = await readFolder(folder, 1)
  assert.equal((item?.definition as { version: number } | undefined)?.version, 2)
})

test('followEditions() has a module that did not change itself take up what it imports from its folder', async (t) => {
  const folder = await makeTempFolder()
  write(
    folder,
    'a.js',
    "import { n } from './deep/b.js'\nexport const w = { kind: 'workflow', name: 'a', version: n }\n",
  )
  write(folder, 'deep/b.js', "import { n as m } from 'c'\nexport const n = m + 1\n")
  const library = 'deep/node_modules/c'
  write(folder, `${library}/package.json`, '{"name":"c","type":"module","exports":"./c.js"}')
  write(
    folder,
    `${library}/c.js`,
    'export const n = (globalThis.loadedPackages = (globalThis.loadedPackages ?? 0) + 1)\n',
  )
  t.after(followEditions([folder]))
  const version = async (edition: number): Promise<unknown> =>
    ((await readFolder(folder, edition))[0]?.definition as { version: number } | undefined)?.version
  assert.equal(await version(0), 2)
  write(folder, 'deep/b.js', "import { n as m } from 'c'\nexport const n = m + 10\n")
  assert.equal(await version(1), 11, 'a package is not loaded again')
})

test('readFolder() names the file that cannot be loaded, and the folder that is not there', async () => {
  const folder = await makeTempFolder()
  write(folder, 'bad.js', 'export const = 1')
  await assert.rejects(readFolder(folder), { code: 'file_not_loaded', message: /bad\.js could not be loaded/ })
  write(folder, 'bad.js', "import './worse.ts'")
  write(folder, 'worse.ts', '\nexport const a = {]')
  await assert.rejects(readFolder(folder, 1), { message: /bad\.js could not be loaded: .* \(worse\.ts, line 2\)$/ })
  await assert.rejects(readFolder(join(folder, 'nothing')), { code: 'folder_not_found', message: /--load/ })
})

test('credentials are readable by their owner alone', async () => {
  const file = join(await makeTempFolder(), 'data', 'credentials.json')
  assert.equal(readCredentials(file), undefined)
  writeCredentials(file, { url: 'http://127.0.0.1:1', key: 'k' })
  assert.deepEqual(readCredentials(file), { url: 'http://127.0.0.1:1', key: 'k' })
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('readBindings() reads a file, and names it and what is wrong with it', async () => {
  const folder = await makeTempFolder()
  assert.deepEqual(readBindings(''), {})
  write(folder, 'good.json', '{"arn:aws:states:::lambda:invoke":"skill:x/y"}')
  assert.deepEqual(readBindings(join(folder, 'good.json')), { 'arn:aws:states:::lambda:invoke': 'skill:x/y' })
  write(folder, 'bad.json', '{"arn:x":1}')
  assert.throws(() => readBindings(join(folder, 'bad.json')), { message: /bad\.json.*"arn:x" stands for 1/ })
  assert.throws(() => readBindings(join(folder, 'none.json')), { message: /none\.json.*no such file/ })
})
