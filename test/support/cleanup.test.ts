import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { startProcess } from './start-process.ts'
import { makeTempFolder } from './temp-folder.ts'

test('wholeFile cleans up once all tests of the file have ended, in reverse order', async (t) => {
  const file = path.join(await makeTempFolder(t), 'a.test.ts')
  const body = `import { test } from 'node:test'
    import { wholeFile } from ${JSON.stringify(path.resolve(import.meta.dirname, 'cleanup.ts'))}
    test('a', () => { for (const n of [1, 2]) wholeFile.after(() => console.log('clean', n)) })
    test('b', () => console.log('b'))`
  writeFileSync(file, body)
  const run = await startProcess(t, { args: ['--test-reporter=dot', file] })
  await run.exited
  assert.match(run.output(), /b\n[\s\S]*clean 2\n[\s\S]*clean 1\n/)
})
