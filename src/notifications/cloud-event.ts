/** A message as CloudEvents 1.0 in structured mode (https://github.com/cloudevents/spec, HTTP protocol binding 3.2). */
import { CloudEvent, HTTP } from 'cloudevents'
import type { Delivery, Message } from './types.ts'

/** Reversed names of domains are the custom; nobody owns one for every installation. */
const PREFIX = 'aidos.'

export interface CloudEventRequest {
  readonly body: string
  readonly contentType: string
}

const subjectOf = ({ runId, taskId }: Message): string | undefined => {
  if (runId !== null) return `runs/${runId}`
  return taskId === null ? undefined : `tasks/${taskId}`
}

/** The same for every try: `id` is that of the message, `time` that of the event. */
export const toCloudEvent = ({ tenantId, messageId }: Delivery, message: Message): CloudEventRequest => {
  const { type, timestamp, ...data } = message
  const subject = subjectOf(message)
  const event = new CloudEvent({
    id: messageId,
    source: `/aidos/tenants/${tenantId}`,
    type: PREFIX + type,
    time: timestamp,
    datacontenttype: 'application/json',
    ...(subject !== undefined && { subject }),
    data,
  })
  const { headers, body } = HTTP.structured(event)
  return { body: String(body), contentType: String(headers['content-type']) }
}
