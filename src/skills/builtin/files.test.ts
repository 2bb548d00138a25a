import assert from 'node:assert/strict'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test, { after, before, describe } from 'node:test'
import type { Json } from '../../platform/json.ts'
import { failureOf, makeToolCall } from '../testing.ts'
import { makeFilesSkill } from './files.ts'

let base = ''
let root = ''
const call = makeToolCall()
const run = (name: string, input: Json, with_ = call): Promise<Json> => {
  const tool = makeFilesSkill(root).tools.find((t) => t.name === name)
  assert.ok(tool)
  return tool.run(input, with_)
}

before(async () => {
  base = await fs.mkdtemp(path.join(os.tmpdir(), 'files-'))
  root = path.join(base, 'root')
  await fs.mkdir(path.join(root, 'sub', 'deep'), { recursive: true })
  await fs.mkdir(path.join(base, 'root-beside'))
  await fs.writeFile(path.join(base, 'secret.txt'), 'secret')
  await fs.writeFile(path.join(base, 'root-beside', 'secret.txt'), 'secret')
  await fs.writeFile(path.join(root, 'a.txt'), 'grüße')
  await fs.writeFile(path.join(root, 'b.json'), '{"n":[1]}')
  await fs.writeFile(path.join(root, 'c.bin'), Buffer.from([0xff, 0xfe, 0]))
  await fs.writeFile(path.join(root, 'sub', 'deep', 'd.txt'), 'd')
  await fs.symlink('a.txt', path.join(root, 'inner-link'))
  await fs.symlink('../secret.txt', path.join(root, 'outer-link'))
  await fs.symlink(base, path.join(root, 'outer-folder'))
  await fs.symlink('../nowhere.txt', path.join(root, 'dangling'))
  await fs.symlink('loop', path.join(root, 'loop'))
})
after(() => fs.rm(base, { recursive: true }))

describe('files read', () => {
  test('gives text, parsed JSON or base64', async () => {
    assert.deepEqual(await run('read', { path: 'a.txt' }), { path: 'a.txt', sizeBytes: 7, content: 'grüße' })
    assert.deepEqual(await run('read', { path: './sub/../b.json', encoding: 'json' }), {
      path: 'b.json',
      sizeBytes: 9,
      content: { n: [1] },
    })
    assert.deepEqual(await run('read', { path: 'c.bin', encoding: 'base64' }), {
      path: 'c.bin',
      sizeBytes: 3,
      content: '//4A',
    })
  })

  test('follows a link that stays inside', async () => {
    assert.deepEqual(await run('read', { path: 'inner-link' }), { path: 'a.txt', sizeBytes: 7, content: 'grüße' })
  })

  test('refuses what is not what was asked for', async () => {
    const refused: [Json, string][] = [
      [{ path: 'c.bin' }, 'file_invalid'],
      [{ path: 'a.txt', encoding: 'json' }, 'file_invalid'],
      [{ path: 'sub' }, 'file_invalid'],
      [{ path: 'a.txt/x' }, 'file_invalid'],
      [{ path: 'loop' }, 'file_invalid'],
      [{ path: 'x'.repeat(300) }, 'file_invalid'],
      [{ path: 'nothing' }, 'file_not_found'],
      [{ path: 'a.txt', maxBytes: 6 }, 'file_too_large'],
    ]
    for (const [input, code] of refused)
      assert.equal((await failureOf(run('read', input))).code, code, JSON.stringify(input))
  })

  test('does not hang on a named pipe', async () => {
    const { execFileSync } = await import('node:child_process')
    execFileSync('mkfifo', [path.join(root, 'pipe')])
    assert.equal((await failureOf(run('read', { path: 'pipe' }))).code, 'file_invalid')
    await fs.rm(path.join(root, 'pipe'))
  })
})

describe('files tools', () => {
  test('cannot be led out of the root', async () => {
    const ways = [
      '..',
      '../secret.txt',
      'sub/../../secret.txt',
      '../root-beside/secret.txt',
      path.join(base, 'secret.txt'),
      '/etc/passwd',
      'outer-link',
      'outer-folder',
      'outer-folder/secret.txt',
      // Nothing tells whether a thing outside is there.
      '../nothing',
      '/nothing',
      'outer-folder/root/a.txt/../../secret.txt',
    ]
    for (const way of ways)
      for (const [tool, more] of [
        ['read', {}],
        ['list', {}],
        ['stat', {}],
        ['write', { content: 'x' }],
      ] as const)
        assert.equal((await failureOf(run(tool, { path: way, ...more }))).code, 'file_outside_root', `${tool} ${way}`)
    for (const way of ['dangling', 'outer-folder/new.txt', '../new.txt', 'outer-folder/a/b/new.txt'])
      assert.equal((await failureOf(run('write', { path: way, content: 'x' }))).code, 'file_outside_root', way)
    assert.equal((await failureOf(run('read', { path: 'a.txt\0.png' }))).code, 'file_invalid')
    assert.deepEqual((await fs.readdir(base)).sort(), ['root', 'root-beside', 'secret.txt'])
    assert.equal(await fs.readFile(path.join(base, 'secret.txt'), 'utf8'), 'secret')
  })

  test('keep tenants to their own folders', async () => {
    const skill = makeFilesSkill(({ tenantId }) => (tenantId === 'other' ? undefined : path.join(root, tenantId)))
    const read = skill.tools.find((t) => t.name === 'read')
    assert.deepEqual(await read?.run({ path: 'deep/d.txt' }, makeToolCall({ tenantId: 'sub' })), {
      path: 'deep/d.txt',
      sizeBytes: 1,
      content: 'd',
    })
    assert.equal(
      (await failureOf(read!.run({ path: '../a.txt' }, makeToolCall({ tenantId: 'sub' })))).code,
      'file_outside_root',
    )
    assert.equal(
      (await failureOf(read!.run({ path: 'a.txt' }, makeToolCall({ tenantId: 'other' })))).code,
      'file_no_root',
    )
  })
})

describe('files write', () => {
  test('makes the folders above it and replaces what is there', async () => {
    assert.deepEqual(await run('write', { path: 'new/x/y.txt', content: 'one' }), { path: 'new/x/y.txt', sizeBytes: 3 })
    await run('write', { path: 'new/x/y.txt', content: 'three' })
    await run('write', { path: 'new/x/z.json', content: { a: 1 }, encoding: 'json' })
    await run('write', { path: 'new/x/b', content: '//4A', encoding: 'base64' })
    assert.equal(await fs.readFile(path.join(root, 'new/x/y.txt'), 'utf8'), 'three')
    assert.deepEqual(await run('read', { path: 'new/x/b', encoding: 'base64' }), {
      path: 'new/x/b',
      sizeBytes: 3,
      content: '//4A',
    })
    assert.deepEqual((await fs.readdir(path.join(root, 'new/x'))).sort(), ['b', 'y.txt', 'z.json'])
  })

  test('without overwriting is refused by other content, not by its own', async () => {
    const input = { path: 'once.txt', content: 'mine', overwrite: false }
    await run('write', input)
    await run('write', input)
    assert.equal((await failureOf(run('write', { ...input, content: 'other' }))).code, 'file_exists')
    assert.equal(await fs.readFile(path.join(root, 'once.txt'), 'utf8'), 'mine')
  })

  test('refuses too much, no text, and a folder', async () => {
    assert.equal(
      (await failureOf(run('write', { path: 'big', content: 'x'.repeat(4 * 1024 * 1024 + 1) }))).code,
      'file_too_large',
    )
    assert.equal((await failureOf(run('write', { path: 'n', content: 1 }))).code, 'file_invalid')
    assert.equal((await failureOf(run('write', { path: '.', content: 'x' }))).code, 'file_invalid')
    assert.equal((await failureOf(run('write', { path: 'sub', content: 'x' }))).code, 'file_invalid')
    assert.deepEqual(
      (await fs.readdir(root)).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })
})

describe('files list and stat', () => {
  test('show what is there, with links as links', async () => {
    const { entries, truncated } = (await run('list', {})) as {
      entries: { name: string; kind: string }[]
      truncated: boolean
    }
    const kinds = Object.fromEntries(entries.map((e) => [e.name, e.kind]))
    assert.deepEqual([kinds['a.txt'], kinds.sub, kinds['outer-folder']], ['file', 'directory', 'link'])
    assert.equal(truncated, false)
    assert.deepEqual(
      entries.map((e) => e.name),
      entries.map((e) => e.name).toSorted(),
    )
  })

  test('go below and stop at the limit', async () => {
    const all = (await run('list', { recursive: true })) as { entries: { path: string }[] }
    const paths = all.entries.map((e) => e.path)
    assert.ok(paths.includes('sub/deep/d.txt') && !paths.some((p) => p.startsWith('outer-folder/')))
    const cut = (await run('list', { recursive: true, limit: 2 })) as { entries: Json[]; truncated: boolean }
    assert.deepEqual([cut.entries.length, cut.truncated], [2, true])
  })

  test('tell of one place', async () => {
    const stat = (await run('stat', { path: 'a.txt' })) as Record<string, Json>
    assert.deepEqual([stat.exists, stat.kind, stat.sizeBytes], [true, 'file', 7])
    assert.ok(Date.parse(String(stat.modifiedAt)) > 0)
    assert.deepEqual(await run('stat', { path: 'nothing' }), { exists: false, path: 'nothing' })
  })
})
