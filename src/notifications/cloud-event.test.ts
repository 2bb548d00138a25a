import assert from 'node:assert/strict'
import test from 'node:test'
import { HTTP } from 'cloudevents'
import { toCloudEvent } from './cloud-event.ts'
import type { Delivery, Message } from './types.ts'

const delivery = { tenantId: 't1', messageId: 'msg_1' } as Delivery
const message: Message = {
  type: 'run.failed',
  timestamp: '2026-06-01T10:00:00.000Z',
  eventId: 7,
  projectId: 'p1',
  runId: 'r1',
  taskId: null,
  data: { target: 'workflow:refund' },
}

test('a message becomes a CloudEvent that the library reads back, with the same id each time', () => {
  const { body, contentType } = toCloudEvent(delivery, message)
  assert.match(contentType, /^application\/cloudevents\+json/)
  assert.deepEqual(JSON.parse(body), {
    specversion: '1.0',
    id: 'msg_1',
    source: '/aidos/tenants/t1',
    type: 'aidos.run.failed',
    subject: 'runs/r1',
    time: '2026-06-01T10:00:00.000Z',
    datacontenttype: 'application/json',
    data: { eventId: 7, projectId: 'p1', runId: 'r1', taskId: null, data: { target: 'workflow:refund' } },
  })
  const read = HTTP.toEvent({ headers: { 'content-type': contentType }, body })
  assert.equal((Array.isArray(read) ? read[0] : read)?.id, 'msg_1')
  assert.equal(toCloudEvent(delivery, message).body, body)
})

test('what is about no run or task has no subject', () => {
  assert.equal('subject' in JSON.parse(toCloudEvent(delivery, { ...message, runId: null }).body), false)
})
