/** Reads the items of a local file piece by piece: CSV and JSON lines as they come, a JSON document as a whole. */
import fs from 'node:fs'
import { type ItemSource, makeItemParser } from '../asl/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { readerFailed } from './map-store.ts'

const CHUNK_BYTES = 65_536
const JSON_BYTES = 64 * 1024 * 1024

export interface ReadItemsOptions {
  readonly file: string
  /** A `ReaderConfig` with its `InputType`. */
  readonly config: JsonObject
  /** For messages. */
  readonly at: string
  /** Called when everything has been read. */
  onEnd(): void
}

/** Pages are asked for in order; whatever is given out is not held any longer. */
export const readItems = ({ file, config, at, onEnd }: ReadItemsOptions): ItemSource => {
  const tryTo = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw error instanceof Error && 'error' in error ? error : readerFailed((error as Error).message, error)
    }
  }
  if (config.InputType === 'JSON' && tryTo(() => fs.statSync(file)).size > JSON_BYTES) {
    throw readerFailed(`${at} is larger than ${JSON_BYTES} bytes: give it as JSON lines`)
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
      if (readBytes === 0 && isPacked(buffer)) throw readerFailed(`${at} is compressed: give it unpacked`)
      readBytes += length
      isOver = length === 0
      const text = decoder.decode(buffer.subarray(0, length), { stream: !isOver })
      for (const item of parser.push(text)) ready.push(item)
      if (isOver) for (const item of parser.end()) ready.push(item)
    } finally {
      fs.closeSync(handle)
    }
    if (isOver) onEnd()
  }
  return {
    async page(offset, limit) {
      if (offset !== given) throw readerFailed(`items are read in order: ${given} is next, not ${offset}`)
      while (ready.length < limit && !isOver) tryTo(readOn)
      const page = ready.slice(0, limit)
      ready = ready.slice(limit)
      given += page.length
      return page
    },
  }
}

/** How files of gzip and Zstandard begin; no text does. */
const PACKED: readonly (readonly number[])[] = [
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
]

const isPacked = (bytes: Uint8Array): boolean => PACKED.some((magic) => magic.every((byte, i) => bytes[i] === byte))
