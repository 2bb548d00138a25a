import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { ensureInstalled } from './debian-packages.ts'
import { reachedFiles } from './reached-files.ts'
import { makeTempFolder } from './temp-folder.ts'

test('reachedFiles() follows imports of imports, and no packages', async (t) => {
  const folder = await makeTempFolder(t)
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text)
    return path.join(folder, name)
  }
  const last = write('last.ts', '')
  const middle = write('middle.ts', `export { x } from './last.ts'\nimport 'node:fs'\nimport { y } from './first.ts'`)
  const first = write('first.ts', `import {\n  x,\n} from './middle.ts'`)
  write('other.ts', '')
  assert.deepEqual([...reachedFiles([first])].toSorted(), [first, last, middle])
})

test('ensureInstalled() says what to install where it cannot install', async (t) => {
  const { PATH } = process.env
  t.after(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = await makeTempFolder(t)
  await assert.rejects(ensureInstalled(['redis-server']), /need redis-server.*"sudo apt-get install redis-server"/)
})
