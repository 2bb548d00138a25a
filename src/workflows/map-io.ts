/** `ItemReader` and `ResultWriter` of distributed Maps over whatever store holds the objects. */
import path from 'node:path'
import {
  type AslHost,
  type ChildItem,
  type ChildOutcome,
  type ItemSource,
  type ResultSink,
  shapeResults,
} from '../asl/index.ts'
import type { CommandSink } from '../engine/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { readItems } from './map-items.ts'
import { makeLocalStore, type RunFilesRoot } from './map-local.ts'
import { makeS3Store, type S3StoreOptions } from './map-s3.ts'
import {
  chainSources,
  type MapStore,
  type Place,
  READ_RESOURCES,
  readerFailed,
  readPlace,
  sourceOf,
  WRITE_RESOURCES,
  writerFailed,
} from './map-store.ts'

export interface MapStores {
  readonly filesRoot?: RunFilesRoot | undefined
  /** Where `arn:aws:states:::s3:…` reads and writes; without it those are the tenant's files too. */
  readonly s3?: S3StoreOptions | undefined
}

const TYPES: Readonly<Record<string, string>> = { '.csv': 'CSV', '.jsonl': 'JSONL', '.json': 'JSON' }
/** Children whose results stand in one file; the same as the items of one group. */
const PER_FILE = 100

/** Where the results of a Map go, as data: a group of children that runs elsewhere writes its own. */
export interface ResultsPlace {
  readonly resource: string
  readonly bucket: string | null
  /** Of the Map, below the prefix of the definition. */
  readonly folder: string
  readonly config: JsonObject
}

interface ResultFile {
  readonly Key: string
  readonly Size: number
}

type Written = Readonly<Record<ChildOutcome['status'], ResultFile[]>>

export const makeMapIo = (sink: CommandSink, runSignal: AbortSignal, stores: MapStores) => {
  const storeOf = (resource: string): MapStore => {
    if (stores.s3 && resource.startsWith('arn:')) return makeS3Store(sink, stores.s3)
    return makeLocalStore(sink, stores.filesRoot ?? (() => undefined))
  }

  const openItems: NonNullable<AslHost['openItems']> = async ({
    key,
    resource,
    parameters,
    config,
    signal = runSignal,
  }) => {
    if (!READ_RESOURCES.includes(resource)) throw readerFailed(unknown(resource, READ_RESOURCES))
    const store = storeOf(resource)
    const open = async (place: Place, at: string): Promise<ItemSource> => {
      const InputType = config.InputType ?? TYPES[path.extname(place.key).toLowerCase()] ?? 'JSON'
      const { file, release } = await store.fetch(place, { key: at, signal })
      return readItems({ file, config: { ...config, InputType, MaxItems: null }, at: sourceOf(place), onEnd: release })
    }
    if (!resource.endsWith(':listObjectsV2')) {
      const place = readPlace(parameters, 'Key', readerFailed)
      return { ...(await open(place, key)), sourceOf: () => sourceOf(place) }
    }
    const place = readPlace(parameters, 'Prefix', readerFailed)
    const objects = await store.list(place, { key, signal })
    if (config.Transformation !== 'LOAD_AND_FLATTEN') return listed(objects, sourceOf({ ...place, key: '' }))
    return chainSources(objects.length, async (i) => {
      const object = { ...place, key: String(objects[i]?.Key) }
      return { items: await open(object, `${key}/object-${i}`), from: sourceOf(object) }
    })
  }

  /** Of one group of children: its files, which are the same when they are written again. */
  const writeGroup = async (
    { resource, bucket, folder, config }: ResultsPlace,
    key: string,
    children: readonly ChildItem[],
    outcomes: readonly ChildOutcome[],
  ): Promise<Written> => {
    const store = storeOf(resource)
    const isLines = config.OutputType === 'JSONL'
    const number = Math.floor((children[0]?.index ?? 0) / PER_FILE)
    const written: Written = { SUCCEEDED: [], FAILED: [] }
    for (const status of ['SUCCEEDED', 'FAILED'] as const) {
      const records = shapeResults(children, outcomes, status, config.Transformation)
      if (records.length === 0) continue
      const text = isLines ? records.map((record) => `${JSON.stringify(record)}\n`).join('') : JSON.stringify(records)
      const Key = path.posix.join(folder, `${status}_${number}.${isLines ? 'jsonl' : 'json'}`)
      await store.put(placeOf(bucket, Key), text, { key: `${key}/${status}-${number}`, signal: runSignal })
      written[status].push({ Key, Size: Buffer.byteLength(text) })
    }
    return written
  }

  const openResults = async (request: Parameters<NonNullable<AslHost['openResults']>>[0]): Promise<ResultSink> => {
    const { key, resource, parameters, config } = request
    if (!WRITE_RESOURCES.includes(resource)) throw writerFailed(unknown(resource, WRITE_RESOURCES))
    const { bucket, key: prefix } = readPlace(parameters, 'Prefix', writerFailed)
    const folder = path.posix.join(prefix, sink.runId)
    const place: ResultsPlace = { resource, bucket: bucket ?? null, folder, config }
    const groups: Written[] = []
    return {
      place: place as unknown as Json,
      async write(children, outcomes) {
        groups.push(await writeGroup(place, key, children, outcomes))
      },
      async wrote(written) {
        groups.push(written as unknown as Written)
      },
      async close({ succeeded, failed }) {
        const MapRunArn = `${sink.runId}/${key}`
        const files = (status: keyof Written): ResultFile[] =>
          groups.flatMap((group) => group[status]).sort((a, b) => numberOf(a) - numberOf(b))
        const manifest = {
          ...(bucket === undefined ? {} : { DestinationBucket: bucket }),
          ...{ MapRunArn, succeeded, failed },
          ResultFiles: { FAILED: files('FAILED'), PENDING: [], SUCCEEDED: files('SUCCEEDED') },
        }
        const Key = path.posix.join(folder, 'manifest.json')
        const call = { key: `${key}/manifest`, signal: runSignal }
        await storeOf(resource).put(placeOf(place.bucket, Key), JSON.stringify(manifest, null, 2), call)
        return { MapRunArn, ResultWriterDetails: { ...(bucket === undefined ? {} : { Bucket: bucket }), Key } }
      },
    }
  }
  return { openItems, openResults, writeGroup }
}

const unknown = (resource: string, allowed: readonly string[]): string =>
  `"${resource}" is not known here; allowed: ${allowed.join(', ')}`

const placeOf = (bucket: string | null, key: string): Place => ({ bucket: bucket ?? undefined, key })

const listed = (objects: readonly JsonObject[], from: string): ItemSource => ({
  count: objects.length,
  page: async (offset, limit) => objects.slice(offset, offset + limit),
  sourceOf: () => from,
})

/** `…/SUCCEEDED_12.json` */
const numberOf = ({ Key }: ResultFile): number => Number(/_(\d+)\.jsonl?$/.exec(Key)?.[1])
