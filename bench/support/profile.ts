/** Reads CPU profiles as Node writes them (`--cpu-prof`): in which functions the time itself was spent. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Microseconds, one for each sample. */
  readonly timeDeltas: readonly number[]
}

export interface SelfTime {
  readonly place: string
  readonly ms: number
  /** Of the time in which anything ran. */
  readonly share: number
}

const WAITING = '(idle)'

const placeOf = ({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string => {
  const file = url.replace(/^.*\/(node_modules|src|bench)\//, '$1/')
  return `${functionName || '(anonymous)'} ${file}${file ? `:${lineNumber + 1}` : ''}`.trim()
}

/** The functions of all profiles in a folder, the longest first. */
export const readProfiles = async (folder: string): Promise<SelfTime[]> => {
  const byPlace = new Map<string, number>()
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.cpuprofile')) continue
    const profile = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile
    const places = new Map(profile.nodes.map((node) => [node.id, placeOf(node.callFrame)]))
    for (const [i, id] of profile.samples.entries()) {
      const place = places.get(id) ?? WAITING
      byPlace.set(place, (byPlace.get(place) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000)
    }
  }
  byPlace.delete(WAITING)
  const total = [...byPlace.values()].reduce((sum, ms) => sum + ms, 0)
  return [...byPlace].map(([place, ms]) => ({ place, ms, share: ms / total })).toSorted((a, b) => b.ms - a.ms)
}
