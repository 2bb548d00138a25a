/** Which source files some files import, and those in turn: so a run starts only the servers that its tests can ask for. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const importPattern = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

/** Full paths, the given files among them. Imports of packages are not followed. */
export const reachedFiles = (files: readonly string[]): ReadonlySet<string> => {
  const reached = new Set<string>()
  const waiting = [...files]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (reached.has(file) || !existsSync(file)) continue
    reached.add(file)
    for (const [, name] of readFileSync(file, 'utf8').matchAll(importPattern)) {
      waiting.push(path.resolve(path.dirname(file), name!))
    }
  }
  return reached
}
