/** Small programs in place of outside services, for tasks whose answers were not recorded. They know kinds, not cases. */
import { AslError, type TaskRequest } from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { Case } from './case.ts'

type Handler = (payload: Json) => Json

/** By the name of the recorded handler's file. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  'id_function.py': (payload) => payload,
  'echo_function.py': (payload) => payload,
  'return_bytes_str.py': () => 'HelloWorld!',
  'raise_exception.py': () => {
    // The text is the runtime's; tokens make up for what changes in it.
    const stackTrace = [
      '  File "/var/task/handler.py", line 2, in handler\n    raise Exception("Some exception was raised.")\n',
    ]
    const cause = {
      errorMessage: 'Some exception was raised.',
      errorType: 'Exception',
      requestId: 'request',
      stackTrace,
    }
    throw new AslError('Exception', JSON.stringify(cause))
  },
}

/** `undefined` when nothing stands in for the task. */
export const standIn = (request: TaskRequest, oneCase: Case): (() => Json) | undefined => {
  const isInvoke = request.resource.startsWith('arn:aws:states:::lambda:invoke')
  const name = isInvoke ? String((request.input as JsonObject).FunctionName) : request.resource
  const file = findHandler(oneCase.lambdas ?? {}, name)
  const handler = file === undefined ? undefined : HANDLERS[file.split('/').pop()!]
  if (!handler) return undefined
  return isInvoke ? () => invokeResult(handler(payloadOf(request.input as JsonObject))) : () => handler(request.input)
}

/** A text is the JSON text of the payload. */
const payloadOf = ({ Payload }: JsonObject): Json =>
  typeof Payload === 'string' ? (JSON.parse(Payload) as Json) : (Payload ?? {})

const findHandler = (lambdas: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.entries(lambdas).find(([key]) => key === name || key.endsWith(`:${name}`) || name.endsWith(`:${key}`))?.[1]

/** JSON as the recorded handlers write it, with a space after each comma and colon. */
const spacedJson = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spacedJson(inner)}`)
    .join(', ')}}`
}

const invokeResult = (payload: Json): Json => {
  const length = String(spacedJson(payload).length)
  return {
    ExecutedVersion: '$LATEST',
    Payload: payload,
    SdkHttpMetadata: {
      AllHttpHeaders: {
        'X-Amz-Executed-Version': ['$LATEST'],
        'x-amzn-Remapped-Content-Length': ['0'],
        Connection: ['keep-alive'],
        'x-amzn-RequestId': ['request'],
        'Content-Length': [length],
        Date: ['date'],
        'X-Amzn-Trace-Id': ['trace'],
        'Content-Type': ['application/json'],
      },
      HttpHeaders: {
        Connection: 'keep-alive',
        'Content-Length': length,
        'Content-Type': 'application/json',
        Date: 'date',
        'X-Amz-Executed-Version': '$LATEST',
        'x-amzn-Remapped-Content-Length': '0',
        'x-amzn-RequestId': 'request',
        'X-Amzn-Trace-Id': 'trace',
      },
      HttpStatusCode: 200,
    },
    SdkResponseMetadata: { RequestId: 'request' },
    StatusCode: 200,
  }
}
