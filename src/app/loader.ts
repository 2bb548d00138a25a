/** Reads a folder of the user's own code: what its modules export, and its States Language files. */
import { realpathSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { basename, join, relative, resolve, sep } from 'node:path'
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

/**
 * From now on, what a module of these folders imports from them is of its own edition, so that a change of the one is a change of the
 * other. Packages stay as they are. The returned function ends it.
 */
export const followEditions = (folders: readonly string[]): (() => void) => {
  const roots = folders.map((folder) => pathToFileURL(realpathSync(folder) + sep).href)
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      const edition = context.parentURL === undefined ? undefined : /[?&]edition=(\d+)/.exec(context.parentURL)?.[1]
      const isTheirs = roots.some((root) => found.url.startsWith(root)) && !found.url.includes('/node_modules/')
      if (edition === undefined || !isTheirs) return found
      const url = new URL(found.url)
      url.searchParams.set('edition', edition)
      return { ...found, url: url.href }
    },
  })
  return () => hooks.deregister()
}

/** The place in the folder that an error names, which may be of a file that is imported. */
const placeOf = (error: unknown, root: string): string => {
  const stack = error instanceof Error ? `${error.stack}` : ''
  const [, file, line] = new RegExp(`${RegExp.escape(root + sep)}([^\\n?]+?)(?:\\?[^:\\n]*)?:(\\d+)`).exec(stack) ?? []
  return line === undefined ? '' : ` (${file}, line ${line})`
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
      const why = `${messageOf(cause)}${placeOf(cause, root)}`
      throw loaderErrors.file_not_loaded(`${join(folder, file)} could not be loaded: ${why}`, { cause })
    }
  }
  return items
}
