/**
 * Items and results of distributed Maps as files in the folder of the tenant or its project, a bucket being a folder in it. Reads and writes here block
 * for a moment on purpose: a workflow's function may wait for nothing but its commands, or a replay could take another order.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { AslError } from '../asl/index.ts'
import { type CommandSink, compileRetry } from '../engine/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { type MapStore, type Place, readerFailed, type StoreCall, writerFailed } from './map-store.ts'

/** The folder of the run's files, if there is one. */
export type RunFilesRoot = () => string | undefined

type Failed = (cause: string, reason?: unknown) => AslError

export const makeLocalStore = (sink: CommandSink, filesRoot: RunFilesRoot): MapStore => {
  const rootOf = (failed: Failed): string => {
    const root = filesRoot()
    if (root === undefined) throw failed('this tenant has no folder for files')
    return tryFs(failed, () => fs.realpathSync(root))
  }
  return {
    async fetch(place, call) {
      if (place.version !== undefined) throw readerFailed('a file has no versions: "VersionId" needs an object store')
      const at = pathOf(place)
      const file = inside(rootOf(readerFailed), at, readerFailed)
      await mustBeUnchanged(sink, call, at, () => stampOf(file))
      return { file, release: () => undefined }
    },
    async list({ bucket = '', key: prefix }, call) {
      const root = inside(rootOf(readerFailed), bucket || '.', readerFailed)
      const objects = tryFs(readerFailed, () => listBelow(root, prefix))
      const hash = createHash('sha256').update(JSON.stringify(objects)).digest('base64url')
      await mustBeUnchanged(sink, call, `${bucket}/${prefix}`, () => hash)
      return objects
    },
    async put(place, text) {
      const at = pathOf(place)
      const folder = folderInside(rootOf(writerFailed), path.posix.dirname(at))
      const name = path.posix.basename(at)
      const temporary = path.join(folder, `.${name}.tmp`)
      tryFs(writerFailed, () => {
        fs.writeFileSync(temporary, text)
        fs.renameSync(temporary, path.join(folder, name))
      })
    },
  }
}

const pathOf = ({ bucket, key }: Place): string => (bucket === undefined ? key : path.posix.join(bucket, key))

const tryFs = <T>(failed: Failed, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error && 'error' in error) throw error
    throw failed((error as Error).message, error)
  }
}

const isInside = (root: string, place: string): boolean => place === root || place.startsWith(root + path.sep)

/** The file meant, with no links in it. */
const inside = (root: string, at: string, failed: Failed): string => {
  const wanted = path.resolve(root, at)
  // Before it is looked for: whether something is outside must not be told.
  if (path.isAbsolute(at) || !isInside(root, wanted)) throw failed(`${at} leads out of the folder`)
  const real = tryFs(failed, () => fs.realpathSync(wanted))
  if (!isInside(root, real)) throw failed(`${at} leads out of the folder`)
  return real
}

/** The folder meant, made if it is not there; no link on the way may lead out. */
const folderInside = (root: string, at: string): string => {
  const wanted = path.resolve(root, at)
  if (path.isAbsolute(at) || !isInside(root, wanted)) throw writerFailed(`${at} leads out of the folder`)
  let folder = root
  for (const part of path.relative(root, wanted).split(path.sep)) {
    folder = path.join(folder, part)
    tryFs(writerFailed, () => fs.mkdirSync(folder, { recursive: true }))
    inside(root, path.relative(root, folder), writerFailed)
  }
  return folder
}

/** Plain files whose path begins with the prefix, in the order of their paths; links are left out. */
const listBelow = (root: string, prefix: string): JsonObject[] => {
  const found: JsonObject[] = []
  for (const entry of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const Key = path.relative(root, file).split(path.sep).join('/')
    if (!entry.isFile() || !Key.startsWith(prefix)) continue
    const { size, mtimeMs } = fs.statSync(file)
    const Etag = `"${createHash('md5').update(`${size} ${mtimeMs}`).digest('hex')}"`
    found.push({ Etag, Key, LastModified: mtimeMs / 1000, Size: size, StorageClass: 'STANDARD' })
  }
  return found.sort((a, b) => (String(a.Key) < String(b.Key) ? -1 : 1))
}

const stampOf = (file: string): Json => {
  const { size, mtimeMs } = fs.statSync(file)
  return { sizeBytes: size, modifiedMs: mtimeMs }
}

/** What changes while its items are worked through would give a replay other items: the run stops instead. */
const mustBeUnchanged = async (
  sink: CommandSink,
  { key, signal }: StoreCall,
  at: string,
  stamp: () => Json,
): Promise<void> => {
  const step = { kind: 'step' as const, key, name: key, retry: compileRetry(undefined, 1), timeoutMs: undefined }
  const before = await sink.request({ ...step, fn: stamp }, signal)
  const now = tryFs(readerFailed, stamp)
  if (JSON.stringify(now) === JSON.stringify(before)) return
  throw readerFailed(`${at} has changed since the run began to read it`)
}
