/**
 * Removes ended runs. A run goes whole: journal, tasks, signals and events in one transaction. A tree of runs goes in one transaction
 * too as far as that stays short; a large one goes from its leaves to its root, so that what a stop leaves behind is still a tree whose
 * root is found again.
 */
import type { Database } from '../platform/db/database.ts'
import { makeRetentionRepository } from './repository.ts'
import { makeRunRetentionRepository } from './repository-runs.ts'
import type { Bounds, Place, Removal } from './types.ts'

export interface RunRemovalOptions {
  readonly db: Database
  /** Roots that are looked at together. */
  readonly pageSize: number
  /** Rows that one transaction removes, roughly. */
  readonly rowsAtATime: number
}

interface Weighed {
  readonly id: string
  readonly rows: number
}

/** A parameter for each: databases take some ten thousand. */
const IDS_AT_A_TIME = 1000

const inParts = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

/** Consecutive trees together, as many as fit; one that does not fit alone in parts, from the leaves. */
export const planTransactions = (trees: readonly (readonly Weighed[])[], rowsAtATime: number): string[][] => {
  const plans: string[][] = []
  let ids: string[] = []
  let rows = 0
  const close = (): void => {
    if (ids.length > 0) plans.push(ids)
    ids = []
    rows = 0
  }
  for (const tree of trees) {
    const treeRows = tree.reduce((sum, run) => sum + run.rows, 0)
    if (rows + treeRows > rowsAtATime) close()
    for (const run of tree) {
      if (ids.length > 0 && (rows + run.rows > rowsAtATime || ids.length === IDS_AT_A_TIME)) close()
      ids.push(run.id)
      rows += run.rows
    }
  }
  close()
  return plans
}

export const makeRunRemoval = ({ db, pageSize, rowsAtATime }: RunRemovalOptions) => {
  const found = makeRetentionRepository(db.primary)
  const runs = makeRunRetentionRepository(db.primary)

  /** Each tree from its leaves to its root, with the cost of each run; without the trees that have to stay. */
  const treesOf = async (rootIds: readonly string[], { untilMs, readUpTo }: Bounds): Promise<Weighed[][]> => {
    const rootOf = new Map(rootIds.map((id) => [id, id]))
    const stays = new Set<string>()
    const levels: string[][] = [[...rootIds]]
    for (let level = levels[0] as string[]; level.length > 0; level = levels.at(-1) as string[]) {
      const below: string[] = []
      for (const part of inParts(level, IDS_AT_A_TIME)) {
        for (const { id, parentId, finishedAtMs } of await runs.childrenOf(part)) {
          const root = rootOf.get(parentId) as string
          rootOf.set(id, root)
          below.push(id)
          if (finishedAtMs === null || finishedAtMs > untilMs) stays.add(root)
        }
      }
      levels.push(below)
    }
    const trees = new Map<string, Weighed[]>(rootIds.map((id) => [id, []]))
    for (const part of levels.reverse().flatMap((level) => inParts(level, IDS_AT_A_TIME))) {
      const eventsOf = await runs.eventsOf(part)
      for (const id of part) {
        const root = rootOf.get(id) as string
        const events = eventsOf.get(id)
        if (events && events.lastId > readUpTo) stays.add(root)
        trees.get(root)?.push({ id, rows: 1 + (events?.count ?? 0) })
      }
    }
    return [...trees].filter(([root]) => !stays.has(root)).map(([, tree]) => tree)
  }

  return async function* removeRuns(bounds: Bounds): Removal {
    let after: Place | undefined
    do {
      const page = await found.due('runs', bounds.untilMs, after, pageSize)
      const trees = await treesOf(page.ids as string[], bounds)
      for (const ids of planTransactions(trees, rowsAtATime)) {
        yield await db.transaction((tx) => makeRunRetentionRepository(tx).remove(ids, bounds))
      }
      after = page.next
    } while (after)
  }
}
