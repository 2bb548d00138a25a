/** A host that plays back what the outside world answered when a case was recorded. */
import { createHash } from 'node:crypto'
import {
  AslError,
  type AslHost,
  EngineError,
  heartbeatTimedOut,
  type OpenItemsRequest,
  parseItems,
  type TaskRequest,
  type Transition,
} from '../../src/asl/index.ts'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { Case, TaskAnswer } from './case.ts'
import type { Matcher } from './matcher.ts'
import { standIn } from './stand-ins.ts'
import type { VirtualClock } from './virtual-clock.ts'

export interface Playback {
  readonly host: AslHost
  readonly transitions: readonly Transition[]
  /** Set when a task ran for which there was neither an answer nor a stand-in. */
  missing(): string | undefined
}

export const makePlayback = (oneCase: Case, matcher: Matcher, clock: VirtualClock): Playback => {
  const transitions: Transition[] = []
  const answers = (oneCase.taskAnswers ?? []).filter((answer) => answer.outcome !== 'submitted')
  const used = new Set<TaskAnswer>()
  let missing: string | undefined
  let uuids = 0
  let draw = 0

  /** The first answer to this state that was recorded for the same parameters, or else simply the first. */
  const findAnswer = (request: TaskRequest): TaskAnswer | undefined => {
    const open = answers.filter((answer) => answer.state === request.state && !used.has(answer))
    const exact = open.find((answer) => matcher.difference(answer.parameters, request.input) === undefined)
    const found = exact ?? open[0]
    if (found) used.add(found)
    return found
  }
  const give = async (answer: TaskAnswer, request: TaskRequest): Promise<Json> => {
    if (answer.outcome === 'succeeded') return matcher.bind(answer.output ?? null)
    if (answer.outcome === 'timedOut') return timeOut(request, clock)
    throw new AslError(answer.error, causeText(answer.cause === undefined ? undefined : matcher.bind(answer.cause)))
  }
  return {
    transitions,
    missing: () => missing,
    host: {
      now: () => clock.now(),
      random: () => {
        draw = (draw * 16807 + 12345) % 2147483647
        return draw / 2147483647
      },
      uuid: () => `00000000-0000-4000-8000-${String(++uuids).padStart(12, '0')}`,
      sleepUntil: (_key, atMs) => clock.sleepUntil(atMs),
      onTransition: (transition) => {
        transitions.push(transition)
      },
      task(request) {
        const answer = findAnswer(request)
        if (answer) return give(answer, request)
        refuseDeleted(request, oneCase)
        const made = standIn(request, oneCase)
        if (made) return Promise.try(made)
        // Nobody answers: only a time-out can end this.
        if (request.timeoutMs !== undefined || request.heartbeatMs !== undefined) return timeOut(request, clock)
        missing = request.state
        return new Promise(() => undefined)
      },
      async openItems(request) {
        const parameters = request.parameters as JsonObject
        const items = readItems(oneCase, parameters, request)
        const { Bucket, Key } = parameters
        const source = `s3://${[Bucket, Key].filter((part) => typeof part === 'string').join('/')}`
        return {
          count: items.length,
          page: async (offset, limit) => items.slice(offset, offset + limit),
          sourceOf: () => source,
        }
      },
      async openResults({ parameters }) {
        const { Bucket, Prefix } = parameters as JsonObject
        const details = { Bucket: Bucket ?? null, Key: `${String(Prefix ?? '')}/run/manifest.json` }
        return {
          write: async () => undefined,
          close: async () => ({ MapRunArn: 'arn:aws:states:::mapRun:run', ResultWriterDetails: details }),
        }
      },
    },
  }
}

/** Nothing was heard of the task: the earlier of its limits ends it. */
const timeOut = async ({ timeoutMs, heartbeatMs }: TaskRequest, clock: VirtualClock): Promise<Json> => {
  const [timeout, heartbeat] = [timeoutMs ?? Number.POSITIVE_INFINITY, heartbeatMs ?? Number.POSITIVE_INFINITY]
  const firstMs = Math.min(timeout, heartbeat)
  if (firstMs === Number.POSITIVE_INFINITY) return new Promise(() => undefined)
  await clock.sleepUntil(clock.now() + firstMs)
  throw heartbeat < timeout ? heartbeatTimedOut() : new AslError('States.Timeout')
}

/** A cause that was recorded as an object was the text of one. */
const causeText = (cause: Json | undefined): string | undefined =>
  cause === undefined ? undefined : typeof cause === 'string' ? cause : JSON.stringify(cause)

/** Activities exist as long as somebody works on them: one without any recorded answer was gone. */
const refuseDeleted = ({ resource }: TaskRequest, { taskAnswers }: Case): void => {
  if (!resource.includes(':activity:') || (taskAnswers ?? []).length > 0) return
  throw new EngineError('States.Runtime', `The activity ${resource} does not exist.`)
}

const findObject = (oneCase: Case, { Bucket, Key }: JsonObject): string => {
  const found = oneCase.setup?.find((step) => step.op === 'put_object' && step.bucket === Bucket && step.key === Key)
  if (found?.body !== undefined) return typeof found.body === 'string' ? found.body : JSON.stringify(found.body)
  throw new AslError('States.ItemReaderFailed', `there is no object ${String(Key)} in ${String(Bucket)}`)
}

const readItems = (oneCase: Case, parameters: JsonObject, { resource, config }: OpenItemsRequest): Json[] => {
  if (!resource.endsWith(':listObjectsV2')) return parseItems(findObject(oneCase, parameters), config)
  const objects = listObjects(oneCase, parameters)
  if (config.Transformation !== 'LOAD_AND_FLATTEN') return objects
  return objects.flatMap(({ Key = null }) => parseItems(findObject(oneCase, { ...parameters, Key }), config))
}

/** In the order of their keys, as a store lists them, whatever came first. */
const listObjects = (oneCase: Case, { Bucket, Prefix }: JsonObject): JsonObject[] =>
  (oneCase.setup ?? [])
    .filter(
      (step) => step.op === 'put_object' && step.bucket === Bucket && String(step.key).startsWith(String(Prefix ?? '')),
    )
    .sort((a, b) => Buffer.compare(Buffer.from(String(a.key)), Buffer.from(String(b.key))))
    .map(({ key, body }) => ({
      Etag: `"${createHash('md5').update(String(body)).digest('hex')}"`,
      Key: key ?? null,
      LastModified: Date.parse('2024-01-01T00:00:00Z') / 1000,
      Size: Buffer.byteLength(String(body)),
      StorageClass: 'STANDARD',
    }))
