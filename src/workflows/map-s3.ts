/**
 * Items and results of distributed Maps in an S3-compatible store. An object is brought to a local file first, by a step that journals
 * which one it was: its items need not be in the journal, and a replay elsewhere brings the very same object again.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type CommandSink, type CompiledRetry, compileRetry, type StepCall } from '../engine/index.ts'
import { messageOf } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import type { S3Client } from '../platform/s3/client.ts'
import { type MapStore, type Place, readerFailed, type StoreCall, writerFailed } from './map-store.ts'

export interface S3StoreOptions {
  readonly client: S3Client
  /** What stands before the keys of a tenant; undefined: the tenant may not use the store. */
  prefixOf(tenantId: string): string | undefined
  /** For objects on their way; the folder for temporary files if left out. */
  readonly spoolDir?: string
}

/** The store may be busy: three attempts, a second and two apart. */
const RETRY: CompiledRetry = compileRetry(
  { attempts: 3, delay: '1 second', nonRetryable: ['s3_not_found', 's3_changed'] },
  3,
)
const SPOOL_AGE_MS = 7 * 24 * 3_600_000

export const makeS3Store = (sink: CommandSink, { client, prefixOf, spoolDir }: S3StoreOptions): MapStore => {
  const spool = spoolDir ?? path.join(os.tmpdir(), 'aidos-map-items')

  const keyOf = ({ bucket, key }: Place, failed: typeof readerFailed): { bucket: string; key: string } => {
    const prefix = prefixOf(sink.tenantId)
    if (prefix === undefined) throw failed('this tenant may not use the object store')
    if (bucket === undefined) throw failed('an object is given by "Bucket" and "Key"')
    return { bucket, key: `${prefix}${key}` }
  }
  const step = (call: StoreCall, fn: (step: StepCall) => Promise<Json>): Promise<Json> => {
    const { key, signal } = call
    return sink.request({ kind: 'step', key, name: key, fn, retry: RETRY, timeoutMs: undefined }, signal)
  }

  return {
    async fetch(place, call) {
      const { bucket, key } = keyOf(place, readerFailed)
      const file = spoolFile(spool, sink.runId, call.key)
      const bring = async (etag?: string, signal?: AbortSignal): Promise<{ etag: string; sizeBytes: number }> => {
        const { version } = place
        const options = {
          ...(etag === undefined ? {} : { etag }),
          ...(version === undefined ? {} : { version }),
          ...(signal ? { signal } : {}),
        }
        const got = await client.get(bucket, key, options)
        return { etag: got.etag, sizeBytes: await save(file, got.body) }
      }
      try {
        const known = (await step(call, ({ signal }) => bring(undefined, signal))) as {
          etag: string
          sizeBytes: number
        }
        // Journaled by another process, or its file was swept away.
        if (sizeOf(file) !== known.sizeBytes) await hold(sink, bring(known.etag))
      } catch (error) {
        throw readerFailed(messageOf(error), error)
      }
      return { file, release: () => fs.rmSync(file, { force: true }) }
    },
    async list(place, call) {
      const { bucket, key: prefix } = keyOf(place, readerFailed)
      const own = prefix.slice(0, prefix.length - place.key.length)
      const objects: JsonObject[] = []
      try {
        let after: string | undefined
        for (let page = 0; page === 0 || after !== undefined; page++) {
          const from = after
          const found = (await step({ ...call, key: `${call.key}/page-${page}` }, async ({ signal }) => {
            const { objects, next } = await client.list(bucket, prefix, {
              signal,
              ...(from === undefined ? {} : { after: from }),
            })
            return { objects: objects.map((object) => describe(object, own)), next: next ?? null }
          })) as { objects: JsonObject[]; next: string | null }
          objects.push(...found.objects)
          after = found.next ?? undefined
        }
      } catch (error) {
        throw readerFailed(messageOf(error), error)
      }
      return objects
    },
    async put(place, text, call) {
      const { bucket, key } = keyOf(place, writerFailed)
      await step(call, async ({ signal }) => {
        await client.put(bucket, key, text, { signal })
        return null
      }).catch((error: unknown) => {
        throw writerFailed(messageOf(error), error)
      })
    },
  }
}

/** As the service's `ListObjectsV2` items are; keys without what stands before those of the tenant. */
const describe = (object: Awaited<ReturnType<S3Client['list']>>['objects'][number], own: string): JsonObject => ({
  Etag: object.etag,
  Key: object.key.slice(own.length),
  LastModified: object.modifiedMs / 1000,
  Size: object.sizeBytes,
  StorageClass: object.storageClass,
})

/** Waits for something that is no command of the run, while nothing else is told to it: a replay keeps its order. */
const hold = async <T>(sink: CommandSink, work: Promise<T>): Promise<T> => {
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  work.then(end, end)
  while (!isOver) await sink.pause()
  return work
}

const spoolFile = (spool: string, runId: string, key: string): string => {
  fs.mkdirSync(spool, { recursive: true, mode: 0o700 })
  sweep(spool)
  return path.join(spool, `${runId}-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`)
}

/** Files that a run which failed has left behind. */
const sweep = (spool: string): void => {
  const oldestMs = Date.now() - SPOOL_AGE_MS
  for (const name of fs.readdirSync(spool)) {
    const file = path.join(spool, name)
    const { mtimeMs = Number.POSITIVE_INFINITY } = fs.statSync(file, { throwIfNoEntry: false }) ?? {}
    if (mtimeMs < oldestMs) fs.rmSync(file, { force: true })
  }
}

const sizeOf = (file: string): number | undefined => fs.statSync(file, { throwIfNoEntry: false })?.size

/** Under a name of its own until it is whole. Gives the size. */
const save = async (file: string, body: AsyncIterable<Uint8Array>): Promise<number> => {
  const part = `${file}.part`
  await fs.promises.writeFile(part, body, { mode: 0o600 })
  await fs.promises.rename(part, file)
  return (await fs.promises.stat(file)).size
}
