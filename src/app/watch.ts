/** Watches folders and calls back once after a burst of changes. */
import { type FSWatcher, watch } from 'node:fs'

const SETTLED_MS = 100

/** The returned function ends the watch. */
export const watchFolders = (folders: readonly string[], onChange: () => void): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  const changed = (_event: string, file: string | null): void => {
    if (file?.includes('node_modules') || file?.startsWith('.')) return
    clearTimeout(timer)
    timer = setTimeout(onChange, SETTLED_MS)
  }
  const watchers: FSWatcher[] = folders.map((folder) => watch(folder, { recursive: true }, changed))
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}
