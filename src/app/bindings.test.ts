import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { readBindings, readConnections } from './bindings.ts'

const variable = (name: string): string => `\${${name}}`

const write = async (t: TestContext, value: unknown): Promise<string> => {
  const file = join(await makeTempFolder(t), 'bindings.json')
  writeFileSync(file, JSON.stringify(value))
  return file
}

test('a bindings file has resources and connections, whose secrets are the environment’s', async (t) => {
  const file = await write(t, {
    'arn:a': 'skill:a/b',
    'arn:crm': { headers: { authorization: `Bearer ${variable('CRM')}` }, query: { v: '1' } },
    'arn:old': {
      basic: { user: 'me', password: variable('OLD') },
      apiKey: { name: 'x-key', value: `k${variable('CRM')}` },
    },
  })
  assert.deepEqual(readBindings(file), { 'arn:a': 'skill:a/b' })
  assert.deepEqual(
    readConnections(file, (name) => ({ CRM: 'c', OLD: 'o' })[name]),
    {
      'arn:crm': { headers: { authorization: 'Bearer c' }, query: { v: '1' } },
      'arn:old': {
        headers: { authorization: `Basic ${Buffer.from('me:o').toString('base64')}`, 'x-key': 'kc' },
        query: {},
      },
    },
  )
  assert.throws(() => readConnections(file, () => undefined), /needs the variable CRM/)
})

test('a connection with a part that means nothing stops the start', async (t) => {
  const file = await write(t, { 'arn:crm': { header: {} } })
  assert.throws(() => readConnections(file, () => 'x'), /"header", which means nothing/)
  assert.throws(() => readBindings('/nowhere.json'), /AIDOS_BINDINGS_FILE/)
})
