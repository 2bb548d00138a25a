/** The builtin skill `files`: files under one folder, and nothing outside it. */
import fs from 'node:fs/promises'
import path from 'node:path'
import type { Json } from '../../platform/json.ts'
import type { Scope } from '../../platform/scope.ts'
import type { BuiltinSkill, Tool, ToolCall } from '../tool.ts'
import { decode, type Encoding, encode, MOST_BYTES, readFileUpTo, writeWhole } from './file-io.ts'
import { fileErrors, mapFsErrors, resolveInside } from './paths.ts'

/** The folder that the files of a tenant, or of one of its projects, lie in; `undefined` where there is none. */
export type FilesRoot = string | ((scope: Scope) => string | undefined)

const MOST_ENTRIES = 10_000
const DEFAULT_ENTRIES = 1000

const PATH = { type: 'string', minLength: 1, maxLength: 4096, description: 'relative to the root, with /' }
const ENCODING = { enum: ['utf8', 'base64', 'json'], description: 'what content is; utf8 if not said' }

export const makeFilesSkill = (root: FilesRoot): BuiltinSkill => {
  const rootOf = ({ tenantId, projectId }: ToolCall): string => {
    const folder = typeof root === 'string' ? root : root({ tenantId, projectId })
    if (folder === undefined) throw fileErrors.file_no_root('no folder for files is set up for this tenant')
    return folder
  }
  return {
    name: 'files',
    description: 'Lists, reads and writes files under the folder that is set up for them.',
    tools: [makeList(rootOf), makeStat(rootOf), makeRead(rootOf), makeWrite(rootOf)],
  }
}

type RootOf = (call: ToolCall) => string

const makeList = (rootOf: RootOf): Tool => ({
  name: 'list',
  description:
    'Lists a folder by name: { "entries": [{ "path", "name", "kind", "sizeBytes" }], "truncated" }. "recursive" takes in the folders below; links are shown, not followed.',
  inputSchema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      path: PATH,
      recursive: { type: 'boolean' },
      limit: { type: 'integer', minimum: 1, maximum: MOST_ENTRIES },
    },
  },
  async run(input, call) {
    const { path: at = '.', recursive = false, limit = DEFAULT_ENTRIES } = input as ListInput
    const { root, real } = await resolveInside(rootOf(call), at)
    const entries: Json[] = []
    /** Returns whether all went in. */
    const walk = async (folder: string): Promise<boolean> => {
      call.signal.throwIfAborted()
      const found = await mapFsErrors(at, () => fs.readdir(folder, { withFileTypes: true }))
      for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (entries.length === limit) return false
        const full = path.join(folder, entry.name)
        // A file that has gone meanwhile is left out.
        const described = await describe(root, full).catch(() => undefined)
        if (described) entries.push(described)
        if (recursive && entry.isDirectory() && !(await walk(full))) return false
      }
      return true
    }
    const whole = await walk(real)
    return { entries, truncated: !whole }
  },
})

type ListInput = {
  path?: string
  recursive?: boolean
  limit?: number
}

const makeStat = (rootOf: RootOf): Tool => ({
  name: 'stat',
  description: 'Tells whether a file or folder is there, and its "kind", "sizeBytes" and "modifiedAt".',
  inputSchema: { type: 'object', required: ['path'], additionalProperties: false, properties: { path: PATH } },
  async run(input, call): Promise<Json> {
    const { path: at } = input as { path: string }
    try {
      const { root, real } = await resolveInside(rootOf(call), at)
      const { mtimeMs } = await fs.stat(real)
      return { exists: true, ...(await describe(root, real)), modifiedAt: new Date(mtimeMs).toISOString() }
    } catch (error) {
      if ((error as { code?: unknown }).code === 'file_not_found') return { exists: false, path: at }
      throw error
    }
  },
})

const makeRead = (rootOf: RootOf): Tool => ({
  name: 'read',
  description:
    'Reads a file: { "path", "sizeBytes", "content" }. With "encoding": "json" the content is parsed, with "base64" it may be anything.',
  inputSchema: {
    type: 'object',
    required: ['path'],
    additionalProperties: false,
    properties: { path: PATH, encoding: ENCODING, maxBytes: { type: 'integer', minimum: 1, maximum: MOST_BYTES } },
  },
  async run(input, call) {
    const { path: at, encoding = 'utf8', maxBytes = MOST_BYTES } = input as ReadInput
    const { root, real } = await resolveInside(rootOf(call), at)
    const bytes = await mapFsErrors(at, () => readFileUpTo(real, at, maxBytes))
    return { path: relative(root, real), sizeBytes: bytes.length, content: decode(bytes, encoding, at) }
  },
})

type ReadInput = {
  path: string
  encoding?: Encoding
  maxBytes?: number
}

const makeWrite = (rootOf: RootOf): Tool => ({
  name: 'write',
  description:
    'Writes a file as a whole, and the folders above it: { "path", "sizeBytes" }. A file that is there is replaced; with "overwrite": false that is refused, unless it has this very content.',
  inputSchema: {
    type: 'object',
    required: ['path', 'content'],
    additionalProperties: false,
    properties: { path: PATH, content: {}, encoding: ENCODING, overwrite: { type: 'boolean' } },
  },
  async run(input, call) {
    const { path: at, content, encoding = 'utf8', overwrite = true } = input as WriteInput
    const bytes = encode(content, encoding)
    if (bytes.length > MOST_BYTES) throw fileErrors.file_too_large(`a file may have ${MOST_BYTES} bytes at most`)
    const { root, real } = await resolveInside(rootOf(call), at, { mayBeMissing: true })
    if (real === root) throw fileErrors.file_invalid('the folder itself cannot be written to')
    await mapFsErrors(at, () => writeWhole(real, bytes, overwrite))
    return { path: relative(root, real), sizeBytes: bytes.length }
  },
})

type WriteInput = {
  path: string
  content: Json
  encoding?: Encoding
  overwrite?: boolean
}

const relative = (root: string, full: string): string => path.relative(root, full).split(path.sep).join('/') || '.'

const describe = async (root: string, full: string): Promise<{ [key: string]: Json }> => {
  const stats = await mapFsErrors(relative(root, full), () => fs.lstat(full))
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'other'
  return { path: relative(root, full), name: path.basename(full), kind, sizeBytes: stats.isFile() ? stats.size : 0 }
}
