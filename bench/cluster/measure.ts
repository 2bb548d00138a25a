/** One measurement of the cluster: its figures, and what they cost. */
import type { Figure } from '../figure.ts'
import type { Stage } from './stage.ts'

export interface ClusterResult {
  readonly figures: readonly Figure[]
  /** Lines for people: what the load cost, as a hint at what bounds it. */
  readonly notes: readonly string[]
}

export interface ClusterMeasure {
  readonly id: string
  readonly about: string
  run(stage: Stage): Promise<ClusterResult>
}
