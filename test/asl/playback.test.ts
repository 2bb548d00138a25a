import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { Case } from './case.ts'
import { checkCase } from './check-case.ts'

const put = (key: string) => ({ op: 'put_object', bucket: 'b', key, body: `[${JSON.stringify(key)}]` })

const listed = (fields: JsonObject, output: Json): Case => {
  return {
    id: 'listed',
    folder: 'maps',
    kind: 'run',
    setup: [put('p/b'), put('p/a'), put('q/c'), put('p/B')],
    definition: {
      StartAt: 'M',
      States: {
        M: {
          Type: 'Map',
          ItemReader: {
            Resource: 'arn:aws:states:::s3:listObjectsV2',
            Parameters: { Bucket: 'b', Prefix: 'p/' },
            ...fields,
          },
          ItemSelector: { 'item.$': '$$.Map.Item.Value' },
          ItemProcessor: {
            ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
            StartAt: 'I',
            States: { I: { Type: 'Pass', End: true } },
          },
          End: true,
        },
      },
    },
    expected: { status: 'SUCCEEDED', output },
  }
}

test('the items in all objects of a bucket are read where the reader says so, in the order of the keys', async () => {
  const fields = { ReaderConfig: { InputType: 'JSON', Transformation: 'LOAD_AND_FLATTEN' } }
  const output = [{ item: 'p/B' }, { item: 'p/a' }, { item: 'p/b' }]
  assert.deepEqual(await checkCase(listed(fields, output)), { outcome: 'passed' })
})
