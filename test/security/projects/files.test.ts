/** The files of a project: read and written by its own runs and tasks, out of reach for those of another. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../../src/platform/json.ts'
import { until } from '../../support/until.ts'
import { WHOLE_APPS } from '../../support/whole-apps.ts'

const mapOf = (path: string, out: string): JsonObject => ({
  StartAt: 'Each',
  States: {
    Each: {
      Type: 'Map',
      ItemReader: { Resource: 'file:read', ReaderConfig: { InputType: 'JSON' }, Parameters: { path } },
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'One',
        States: { One: { Type: 'Pass', End: true } },
      },
      ResultWriter: { Resource: 'file:write', Parameters: { path: out } },
      End: true,
    },
  },
})

for (const database of WHOLE_APPS) {
  test(`files on ${database.name}: a project reads and writes its own alone, by tool and by Map`, async () => {
    const { app, dataDir, call } = await database.start()
    const whole = app.key as string
    const projectOf = async (name: string) => {
      const { id } = (await call('POST', '/v1/projects', { name })).body
      const { key } = (await call('POST', '/v1/keys', { name, projectId: id, scopes: ['*'] })).body
      return { id, key, folder: join(dataDir, 'files', 'projects', id) }
    }
    const [ours, theirs] = [await projectOf('ours'), await projectOf('theirs')]
    const use = async (key: string, tool: string, input: JsonObject): Promise<Json> => {
      const made = await call('POST', '/v1/tasks', { kind: `skill:files/${tool}`, input, retry: { attempts: 1 } }, key)
      assert.equal(made.status, 201, JSON.stringify(made.body))
      return until(`the end of ${tool}`, async () => {
        const { body } = await call('GET', `/v1/tasks/${made.body.id}`, undefined, key)
        if (body.status === 'completed') return body.output
        return body.status === 'dead' || body.status === 'failed' ? body.error.code : undefined
      })
    }
    const run = async (key: string, name: string, definition: JsonObject) => {
      assert.equal((await call('POST', '/v1/workflows', { name, definition }, key)).status, 201)
      const { id } = (await call('POST', '/v1/runs', { workflow: name, input: null }, key)).body
      return until(`the end of ${name}`, async () => {
        const { body } = await call('GET', `/v1/runs/${id}`, undefined, key)
        return ['completed', 'failed'].includes(body.status) ? body : undefined
      })
    }

    await use(theirs.key, 'write', { path: 'a.json', content: '[1,2]' })
    await use(whole, 'write', { path: 'shared.json', content: '[7]' })
    await use(ours.key, 'write', { path: 'a.json', content: '[3]' })
    assert.equal(readFileSync(join(theirs.folder, 'a.json'), 'utf8'), '[1,2]')
    assert.equal(readFileSync(join(ours.folder, 'a.json'), 'utf8'), '[3]')

    // Every way to the other project's files, and to those of the tenant.
    mkdirSync(join(ours.folder, 'sub'))
    symlinkSync(theirs.folder, join(ours.folder, 'link'))
    symlinkSync(join(theirs.folder, 'a.json'), join(ours.folder, 'link.json'))
    const ways = [
      ...[`../${theirs.id}/a.json`, `sub/../../${theirs.id}/a.json`, '../../shared.json', `../${theirs.id}/none.json`],
      ...[join(theirs.folder, 'a.json'), 'link/a.json', 'link.json'],
    ]
    for (const [i, path] of ways.entries()) {
      assert.equal(await use(ours.key, 'read', { path }), 'file_outside_root', `read ${path}`)
      assert.equal(await use(ours.key, 'write', { path, content: 'x' }), 'file_outside_root', `write ${path}`)
      const { status, error } = await run(ours.key, `reads-${i}`, mapOf(path, 'out'))
      assert.deepEqual([status, error.code], ['failed', 'States.ItemReaderFailed'], path)
      assert.match(error.message, /leads out of the folder/)
    }
    for (const out of [`../${theirs.id}`, 'link', '../..', theirs.folder]) {
      const { status, error } = await run(ours.key, `writes-${ways.length}-${out.length}`, mapOf('a.json', out))
      assert.deepEqual([status, error.code], ['failed', 'States.ResultWriterFailed'], out)
    }
    assert.deepEqual(await use(ours.key, 'read', { path: 'shared.json' }), 'file_not_found')
    assert.equal(readFileSync(join(theirs.folder, 'a.json'), 'utf8'), '[1,2]')

    // What is its own works, and its results stay with it.
    const done = await run(ours.key, 'own', mapOf('a.json', 'out'))
    assert.equal(done.status, 'completed', JSON.stringify(done.error))
    assert.ok(readFileSync(join(ours.folder, 'out', done.id, 'manifest.json'), 'utf8').includes(done.id))

    // The tenant as a whole sees all of it; a run that it starts of a project's workflow is the project's.
    writeFileSync(join(ours.folder, 'more.json'), '[4]')
    const { content } = (await use(whole, 'read', { path: `projects/${ours.id}/more.json` })) as { content: string }
    assert.equal(content, '[4]')
    const started = (await call('POST', '/v1/runs', { workflow: 'own', input: null }, whole)).body
    await until('the run of the whole tenant', async () => {
      const { body } = await call('GET', `/v1/runs/${started.id}`, undefined, whole)
      return body.status === 'completed'
    })
    assert.ok(readFileSync(join(ours.folder, 'out', started.id, 'manifest.json'), 'utf8'))
  })
}
