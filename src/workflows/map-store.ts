/** Where the items and results of distributed Maps lie: a port with two adapters, the tenant's files and an S3-compatible store. */
import { AslError, type ItemSource, STATES } from '../asl/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'

/** An object: of a bucket, or without one a path in the tenant's files. */
export interface Place {
  readonly bucket: string | undefined
  /** May be only the beginning of keys, where it is a listing that is asked for. */
  readonly key: string
  /** Of an object in a store that keeps several; the newest if left out. */
  readonly version?: string
}

export interface StoreCall {
  /** Unique within the run and the same on replay. */
  readonly key: string
  readonly signal: AbortSignal
}

/** A run's function may wait for nothing but its commands: adapters wait by commands, or not at all. */
export interface MapStore {
  /** A local file with the bytes of the object, which are the same on replay. Throws `States.ItemReaderFailed`. */
  fetch(place: Place, call: StoreCall): Promise<{ readonly file: string; release(): void }>
  /** Its objects by key, as the service describes them: `Etag Key LastModified Size StorageClass`; the same on replay. */
  list(place: Place, call: StoreCall): Promise<readonly JsonObject[]>
  /** Throws `States.ResultWriterFailed`. Writing the same again changes nothing. */
  put(place: Place, text: string, call: StoreCall): Promise<void>
}

export const READ_RESOURCES = ['file:read', 'arn:aws:states:::s3:getObject', 'arn:aws:states:::s3:listObjectsV2']
export const INPUT_TYPES = ['CSV', 'JSON', 'JSONL']
export const WRITE_RESOURCES = ['file:write', 'arn:aws:states:::s3:putObject']

export const readerFailed = (cause: string, reason?: unknown): AslError =>
  new AslError(STATES.itemReaderFailed, cause, { reason })

export const writerFailed = (cause: string, reason?: unknown): AslError =>
  new AslError(STATES.resultWriterFailed, cause, { reason })

/** `path`, or the bucket and a key or prefix. A version that nothing would look at is refused: the items would be others. */
export const readPlace = (parameters: Json, field: 'Key' | 'Prefix', failed: (cause: string) => AslError): Place => {
  const { path: at, Bucket: bucket, [field]: rest = '', VersionId } = (parameters ?? {}) as JsonObject
  if (VersionId !== undefined && (typeof VersionId !== 'string' || field !== 'Key')) {
    throw failed('"VersionId" is a text, and goes with the "Key" of what is read')
  }
  const version = VersionId === undefined ? {} : { version: VersionId }
  if (typeof at === 'string') return { bucket: undefined, key: at, ...version }
  if (typeof bucket === 'string' && typeof rest === 'string') return { bucket, key: rest, ...version }
  throw failed(`the place is given as "path", or as "Bucket" and "${field}"`)
}

/** As the context object tells it of an item. */
export const sourceOf = ({ bucket, key }: Place): string => {
  if (bucket === undefined) return `file:${key}`
  return key === '' ? `s3://${bucket}` : `s3://${bucket}/${key}`
}

/** Several sources as one, each opened when the one before it is used up. */
export const chainSources = (
  count: number,
  open: (i: number) => Promise<{ items: ItemSource; from: string }>,
): ItemSource => {
  /** Where each source begins, and its name. */
  const begun: { at: number; from: string }[] = []
  let current: ItemSource | undefined
  let next = 0
  let given = 0
  let givenOfCurrent = 0
  return {
    async page(offset, limit) {
      if (offset !== given) throw readerFailed(`items are read in order: ${given} is next, not ${offset}`)
      for (;;) {
        const page = current ? await current.page(givenOfCurrent, limit) : []
        if (page.length > 0) {
          given += page.length
          givenOfCurrent += page.length
          return page
        }
        if (next === count) return []
        const { items, from } = await open(next++)
        current = items
        givenOfCurrent = 0
        begun.push({ at: given, from })
      }
    },
    sourceOf: (index) => begun.findLast(({ at }) => at <= index)?.from,
  }
}
