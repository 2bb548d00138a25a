/** Reads a folder of the user's own code: what its modules export, and its States Language files. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineErrors, messageOf } from '../platform/errors.ts'
import type { Definition } from '../sdk/index.ts'

export const loaderErrors = defineErrors({
  folder_not_found: { status: 400 },
  file_not_loaded: { status: 400 },
})

export interface AslFile {
  readonly kind: 'asl'
  readonly name: string
  readonly text: string
  readonly format: 'json' | 'yaml'
}

export interface LoadedItem {
  /** Relative to the folder. */
  readonly file: string
  readonly definition: Definition | AslFile
}

const CODE = /\.(ts|mts|js|mjs)$/
const ASL = /\.asl\.(json|ya?ml)$/
const SKIPPED_FOLDERS = new Set(['node_modules', '.git', '.aidos'])
const KINDS = new Set(['workflow', 'task', 'skill', 'agent'])

const filesOf = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : filesOf(path)
      return entry.isFile() ? [path] : []
    }),
  )
  return found.flat().toSorted()
}

const isDefinition = (value: unknown): value is Definition =>
  typeof value === 'object' &&
  value !== null &&
  KINDS.has((value as Definition).kind) &&
  typeof (value as Definition).name === 'string'

const readCode = async (path: string, edition: number): Promise<Definition[]> => {
  const url = pathToFileURL(path)
  // Node keeps a module by its address: another edition of the file needs another one.
  if (edition > 0) url.searchParams.set('edition', String(edition))
  const module = (await import(url.href)) as Record<string, unknown>
  return [...new Set(Object.values(module))].filter(isDefinition)
}

const readAsl = async (path: string): Promise<AslFile> => ({
  kind: 'asl',
  name: basename(path).replace(ASL, ''),
  text: await readFile(path, 'utf8'),
  format: path.endsWith('.json') ? 'json' : 'yaml',
})

/** All definitions of a folder. `edition` 0 is the first read; a higher one reads changed files anew. Throws naming the file. */
export const readFolder = async (folder: string, edition = 0): Promise<LoadedItem[]> => {
  const root = resolve(folder)
  const info = await stat(root).catch(() => undefined)
  if (!info?.isDirectory())
    throw loaderErrors.folder_not_found(`there is no folder ${root}; --load takes a folder with your code`)
  const items: LoadedItem[] = []
  for (const path of await filesOf(root)) {
    const file = relative(root, path)
    try {
      if (ASL.test(path)) items.push({ file, definition: await readAsl(path) })
      else if (CODE.test(path) && !/\.(test|d)\.[mc]?[tj]s$/.test(path)) {
        for (const definition of await readCode(path, edition)) items.push({ file, definition })
      }
    } catch (cause) {
      throw loaderErrors.file_not_loaded(`${join(folder, file)} could not be loaded: ${messageOf(cause)}`, { cause })
    }
  }
  return items
}
