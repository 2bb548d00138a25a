import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AslError } from '../asl/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { workOf } from './integrations.ts'
import {
  type Bindings,
  RESOURCE_FORMS,
  readFunction,
  readResource,
  readStateMachine,
  unknownResources,
} from './resources.ts'

const LAMBDA = 'arn:aws:lambda:eu-west-1:123456789012:function'
const bindings: Bindings = {
  [`${LAMBDA}:charge`]: 'skill:payments/charge',
  [`${LAMBDA}:*`]: 'skill:functions/*',
  [`${LAMBDA}:mail-*`]: 'skill:mail/*',
  notify: 'agent:notifier',
}
const task = (resource: string) => ({ kind: 'task', resource })

test('a resource bound to a whole ARN wins over the longest prefix, and that over shorter ones', () => {
  assert.deepEqual(readResource(`${LAMBDA}:charge`, bindings), task('skill:payments/charge'))
  assert.deepEqual(readResource(`${LAMBDA}:mail-out`, bindings), task('skill:mail/out'))
  assert.deepEqual(readResource(`${LAMBDA}:resize`, bindings), task('skill:functions/resize'))
  assert.equal(readResource(`${LAMBDA}:charge`, {}), undefined)
})

test('an ARN with the token suffix is bound like the one without', () => {
  assert.deepEqual(readResource(`${LAMBDA}:charge.waitForTaskToken`, bindings), task('skill:payments/charge'))
})

test('a function is found by its ARN or name, with or without its version', () => {
  assert.deepEqual(readFunction(`${LAMBDA}:charge:3`, bindings), task('skill:payments/charge'))
  assert.equal(readFunction('notify:live', bindings)?.kind, 'run')
  assert.equal(readFunction('other', bindings), undefined)
})

test('a state machine means the workflow of its name', () => {
  const arn = 'arn:aws:states:eu-west-1:123456789012:stateMachine:ship:7'
  assert.deepEqual(readStateMachine(arn, {}), { kind: 'run', runKind: 'workflow', name: 'ship', version: undefined })
  assert.deepEqual(readStateMachine(arn, { [arn]: 'agent:shipper@2' }), {
    ...{ kind: 'run', runKind: 'agent', name: 'shipper', version: 2 },
  })
})

test('an activity is known by its ARN or its short form', () => {
  assert.deepEqual(readResource('arn:aws:states:eu-west-1:1:activity:pack', {}), task('activity:pack'))
  assert.deepEqual(readResource('activity:pack', {}), task('activity:pack'))
})

test('what AIDOS cannot do is unknown, such as a signal with a token', () => {
  for (const resource of ['signal:x.waitForTaskToken', 'sqs:send', '__proto__', 'task:token'])
    assert.equal(readResource(resource, {}), undefined, resource)
  assert.ok(readResource('arn:aws:states:::states:startExecution.waitForTaskToken', {}))
})

test('a function that nothing is bound to is found in the definition, if its name stands there', () => {
  const invoke = (FunctionName: string) => ({
    States: { A: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', Parameters: { FunctionName } } },
  })
  assert.deepEqual(unknownResources(invoke('gone'), bindings), [
    { state: 'A', location: '/States/A/Parameters/FunctionName', resource: 'gone', allowed: RESOURCE_FORMS },
  ])
  assert.deepEqual(unknownResources(invoke('notify'), bindings), [])
})

test('a Map that reads or writes what AIDOS cannot is found before it runs', () => {
  const map = (read: string, type: string, write: string) => ({
    States: {
      M: {
        Type: 'Map',
        ItemReader: { Resource: read, ReaderConfig: { InputType: type } },
        ResultWriter: { Resource: write },
      },
    },
  })
  const S3 = 'arn:aws:states:::s3'
  assert.deepEqual(unknownResources(map(`${S3}:getObject`, 'CSV', `${S3}:putObject`), {}), [])
  const found = unknownResources(map(`${S3}:selectObject`, 'PARQUET', 'file:append'), {})
  assert.deepEqual(
    found.map(({ location, resource }) => [location, resource]),
    [
      ['/States/M/ItemReader/Resource', `${S3}:selectObject`],
      ['/States/M/ItemReader/ReaderConfig/InputType', 'PARQUET'],
      ['/States/M/ResultWriter/Resource', 'file:append'],
    ],
  )
})

const integrate = (resource: string, input: JsonObject) => workOf(readResource(resource, {}) as never, input, bindings)

test('lambda:invoke hands on the payload and wraps the answer', () => {
  const work = integrate('arn:aws:states:::lambda:invoke', { FunctionName: `${LAMBDA}:charge`, Payload: { sum: 3 } })
  assert.deepEqual([work.resource, work.input], [task('skill:payments/charge'), { sum: 3 }])
  assert.deepEqual(work.toOutput('ok'), { ExecutedVersion: '$LATEST', Payload: 'ok', StatusCode: 200 })
  assert.throws(() => integrate('arn:aws:states:::lambda:invoke', { FunctionName: 'gone' }), {
    error: 'States.Runtime',
  })
})

test('the forms of startExecution give the output as a text or as JSON, and a failure with its description', () => {
  const parameters = { StateMachineArn: 'ship', Input: { a: 1 } }
  const sync = integrate('arn:aws:states:::states:startExecution.sync', parameters)
  const sync2 = integrate('arn:aws:states:::states:startExecution.sync:2', parameters)
  assert.deepEqual([sync.input, sync2.input], [{ a: 1 }, { a: 1 }])
  const about = { StateMachineArn: 'ship', InputDetails: { Included: true }, OutputDetails: { Included: true } }
  const texts = { Input: '{"a":1}', Output: '{"b":2}', Status: 'SUCCEEDED' }
  assert.deepEqual(sync.toOutput({ b: 2 }), { ...about, ...texts })
  assert.deepEqual((sync2.toOutput({ b: 2 }) as JsonObject).Output, { b: 2 })
  const error = sync2.toError(new AslError('Broken', 'why'))
  assert.equal(error.error, 'States.TaskFailed')
  const told = JSON.parse(error.causeText ?? '')
  assert.deepEqual([told.Error, told.Cause, told.Status], ['Broken', 'why', 'FAILED'])
})

test('a text for a payload or an input is the JSON text of it, and nothing an empty object', () => {
  const invoke = (Payload?: Json) =>
    integrate('arn:aws:states:::lambda:invoke', { FunctionName: `${LAMBDA}:charge`, ...(Payload ? { Payload } : {}) })
  assert.deepEqual([invoke('0').input, invoke('"a"').input, invoke(['a']).input, invoke().input], [0, 'a', ['a'], {}])
  assert.throws(() => invoke('a'), { error: 'Lambda.InvalidRequestContentException' })
  for (const form of ['startExecution', 'startExecution.sync', 'startExecution.sync:2']) {
    const start = (Input: Json) => integrate(`arn:aws:states:::states:${form}`, { StateMachineArn: 'ship', Input })
    assert.deepEqual(start('{"a":[1]}').input, { a: [1] })
    assert.throws(() => start('{'), { error: 'StepFunctions.InvalidExecutionInputException' })
  }
})

test('startExecution only starts, but with a token it is waited for', () => {
  const parameters = { StateMachineArn: 'ship', Input: { a: 1 } }
  const only = integrate('arn:aws:states:::states:startExecution', parameters)
  assert.deepEqual(
    [only.resource, only.input],
    [{ kind: 'start', runKind: 'workflow', name: 'ship', version: undefined }, { a: 1 }],
  )
  assert.equal(integrate('arn:aws:states:::states:startExecution.waitForTaskToken', parameters).resource.kind, 'run')
})

test('http:invoke hands its parameters on as they are, so that no secret of a connection is in them', () => {
  const parameters = { ApiEndpoint: 'https://example.org/a', Authentication: { ConnectionArn: 'crm' } }
  const work = integrate('arn:aws:states:::http:invoke', parameters)
  assert.deepEqual([work.resource, work.input], [task('http:invoke'), parameters])
  assert.throws(() => integrate('http:invoke', { ApiEndpoint: 'nowhere' }), { error: 'States.Runtime' })
})
