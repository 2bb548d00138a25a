/**
 * Items and results of distributed Maps as files in the tenant's folder. Reads and writes here block for a moment on purpose: a
 * workflow's function may wait for nothing but its commands, or a replay could take another order.
 */
import fs from 'node:fs'
import path from 'node:path'
import {
  AslError,
  type AslHost,
  type ChildItem,
  type ChildOutcome,
  type ItemSource,
  makeItemParser,
  STATES,
} from '../asl/index.ts'
import { type CommandSink, compileRetry } from '../engine/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'

/** The folder of a tenant's files, if it has one. */
export type FilesRoot = (tenantId: string) => string | undefined

const CHUNK_BYTES = 65_536
/** A JSON document is held as a whole; CSV and JSON lines are read as they come. */
const JSON_BYTES = 64 * 1024 * 1024
const READERS = ['file:read', 'arn:aws:states:::s3:getObject']
const WRITERS = ['file:write', 'arn:aws:states:::s3:putObject']
const TYPES: Readonly<Record<string, string>> = { '.csv': 'CSV', '.jsonl': 'JSONL', '.json': 'JSON' }

export interface MapFilesOptions {
  readonly sink: CommandSink
  readonly signal: AbortSignal
  readonly filesRoot: FilesRoot
}

export const makeMapFiles = (options: MapFilesOptions): Pick<Required<AslHost>, 'openItems' | 'openResults'> => {
  const { sink, filesRoot } = options
  const rootOf = (errorName: string): string => {
    const root = filesRoot(sink.tenantId)
    if (root === undefined) throw new AslError(errorName, 'this tenant has no folder for files')
    return fs.realpathSync(root)
  }
  return {
    async openItems({ key, resource, parameters, config, signal }) {
      if (!READERS.includes(resource)) throw unknown(STATES.itemReaderFailed, resource, READERS)
      const at = placeOf(parameters, 'Key', STATES.itemReaderFailed)
      const file = inside(rootOf(STATES.itemReaderFailed), at, STATES.itemReaderFailed)
      const InputType = config.InputType ?? TYPES[path.extname(at).toLowerCase()] ?? 'JSON'
      await mustBeUnchanged(options, key, file, at, signal)
      return readItems(file, { ...config, InputType }, at)
    },
    async openResults({ resource, parameters, config }) {
      if (!WRITERS.includes(resource)) throw unknown(STATES.resultWriterFailed, resource, WRITERS)
      const at = path.posix.join(placeOf(parameters, 'Prefix', STATES.resultWriterFailed), sink.runId)
      const folder = folderInside(rootOf(STATES.resultWriterFailed), at)
      return makeResults(folder, at, config)
    },
  }
}

const unknown = (name: string, resource: string, allowed: readonly string[]): AslError =>
  new AslError(name, `"${resource}" is not known here; allowed: ${allowed.join(', ')}`)

/** `path`, or the bucket and its key as folder and file. */
const placeOf = (parameters: Json, field: 'Key' | 'Prefix', name: string): string => {
  const { path: at, Bucket: bucket, [field]: rest = '' } = (parameters ?? {}) as JsonObject
  if (typeof at === 'string') return at
  if (typeof bucket === 'string' && typeof rest === 'string') return path.posix.join(bucket, rest)
  throw new AslError(name, `the place is given as "path", or as "Bucket" and "${field}"`)
}

const isInside = (root: string, place: string): boolean => place === root || place.startsWith(root + path.sep)

/** The file meant, with no links in it. */
const inside = (root: string, at: string, name: string): string => {
  const real = tryFs(name, () => fs.realpathSync(path.resolve(root, at)))
  if (path.isAbsolute(at) || !isInside(root, real)) throw new AslError(name, `${at} leads out of the folder`)
  return real
}

/** The folder meant, made if it is not there; no link on the way may lead out. */
const folderInside = (root: string, at: string): string => {
  const name = STATES.resultWriterFailed
  const wanted = path.resolve(root, at)
  if (path.isAbsolute(at) || !isInside(root, wanted)) throw new AslError(name, `${at} leads out of the folder`)
  let folder = root
  for (const part of path.relative(root, wanted).split(path.sep)) {
    folder = path.join(folder, part)
    tryFs(name, () => fs.mkdirSync(folder, { recursive: true }))
    inside(root, path.relative(root, folder), name)
  }
  return folder
}

const tryFs = <T>(name: string, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    throw new AslError(name, (error as Error).message, { reason: error })
  }
}

const stamp = (file: string): Json => {
  const { size, mtimeMs } = fs.statSync(file)
  return { sizeBytes: size, modifiedMs: mtimeMs }
}

/** A file that changes while its items are worked through would give a replay other items: the run stops instead. */
const mustBeUnchanged = async (
  { sink, signal: runSignal }: MapFilesOptions,
  key: string,
  file: string,
  at: string,
  signal: AbortSignal | undefined,
): Promise<void> => {
  const fn = (): Json => stamp(file)
  const step = { kind: 'step' as const, key, name: key, fn, retry: compileRetry(undefined, 1), timeoutMs: undefined }
  const before = await sink.request(step, signal ?? runSignal)
  const now = tryFs(STATES.itemReaderFailed, () => stamp(file))
  if (JSON.stringify(now) === JSON.stringify(before)) return
  throw new AslError(STATES.itemReaderFailed, `${at} has changed since the run began to read it`)
}

/** Pages are asked for in order; whatever is given out is not held any longer. */
const readItems = (file: string, config: JsonObject, at: string): ItemSource => {
  const name = STATES.itemReaderFailed
  if (config.InputType === 'JSON' && tryFs(name, () => fs.statSync(file)).size > JSON_BYTES) {
    throw new AslError(name, `${at} is larger than ${JSON_BYTES} bytes: give it as JSON lines`)
  }
  const parser = makeItemParser(config)
  const decoder = new TextDecoder('utf-8')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  let ready: Json[] = []
  let given = 0
  let readBytes = 0
  let isOver = false
  const readOn = (): void => {
    // Opened for each piece: nobody says when a run lets go of its source.
    const handle = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
    try {
      const length = fs.readSync(handle, buffer, 0, CHUNK_BYTES, readBytes)
      readBytes += length
      isOver = length === 0
      const text = decoder.decode(buffer.subarray(0, length), { stream: !isOver })
      for (const item of parser.push(text)) ready.push(item)
      if (isOver) for (const item of parser.end()) ready.push(item)
    } finally {
      fs.closeSync(handle)
    }
  }
  return {
    async page(offset, limit) {
      if (offset !== given) throw new AslError(name, `items are read in order: ${given} is next, not ${offset}`)
      while (ready.length < limit && !isOver) tryFs(name, readOn)
      const page = ready.slice(0, limit)
      ready = ready.slice(limit)
      given += page.length
      return page
    },
  }
}

type Status = ChildOutcome['status']

/** One file for each group and status, so that a group which is told again writes the same again, and a manifest that names them. */
const makeResults = (folder: string, at: string, config: JsonObject) => {
  const isLines = config.OutputType === 'JSONL'
  const files: Record<Status, { Key: string; Size: number }[]> = { SUCCEEDED: [], FAILED: [] }
  const write = (file: string, text: string): void => {
    const temporary = path.join(folder, `.${file}.tmp`)
    fs.writeFileSync(temporary, text)
    fs.renameSync(temporary, path.join(folder, file))
  }
  const save = (status: Status, first: number, records: readonly Json[]): void => {
    if (records.length === 0) return
    const text = isLines ? records.map((record) => `${JSON.stringify(record)}\n`).join('') : JSON.stringify(records)
    const file = `${status}_${String(first).padStart(9, '0')}.${isLines ? 'jsonl' : 'json'}`
    write(file, text)
    files[status].push({ Key: path.posix.join(at, file), Size: Buffer.byteLength(text) })
  }
  return {
    async write(children: readonly ChildItem[], outcomes: readonly ChildOutcome[]): Promise<void> {
      const first = children[0]?.index ?? 0
      const records = outcomes.map((outcome, i) => ({ outcome, child: children[i] as ChildItem }))
      const of = (status: Status) => records.filter(({ outcome }) => outcome.status === status)
      const succeeded = of('SUCCEEDED').map((record) => succeededRecord(record, config.Transformation))
      save('SUCCEEDED', first, config.Transformation === 'FLATTEN' ? succeeded.flat(1) : succeeded)
      save('FAILED', first, of('FAILED').map(wholeRecord))
    },
    async close(counts: { readonly succeeded: number; readonly failed: number }): Promise<Json> {
      for (const list of Object.values(files)) list.sort((a, b) => (a.Key < b.Key ? -1 : 1))
      write('manifest.json', JSON.stringify({ ...counts, ResultFiles: files }, null, 2))
      return { ...counts, ResultWriterDetails: { Key: path.posix.join(at, 'manifest.json') } }
    },
  }
}

interface ResultRecord {
  readonly outcome: ChildOutcome
  readonly child: ChildItem
}

const wholeRecord = ({ outcome, child }: ResultRecord): Json => {
  const { status, ...rest } = outcome
  return { Index: child.index, Input: child.input, Status: status, ...capitalised(rest) }
}

const succeededRecord = (record: ResultRecord, transformation: Json | undefined): Json => {
  if (transformation !== 'COMPACT' && transformation !== 'FLATTEN') return wholeRecord(record)
  return (record.outcome as Extract<ChildOutcome, { status: 'SUCCEEDED' }>).output
}

const capitalised = (fields: Readonly<Record<string, Json | undefined>>): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.charAt(0).toUpperCase() + name.slice(1), value]],
    ),
  )
