/** All measurements of the cluster, in the order in which they are taken. */
import type { ClusterMeasure } from '../measure.ts'
import { fleet } from './fleet.ts'
import { flood } from './flood.ts'
import { floors } from './floors.ts'
import { idle } from './idle.ts'
import { kill } from './kill.ts'
import { latency } from './latency.ts'
import { longRun, shortRun } from './serial.ts'

export const MEASURES: readonly ClusterMeasure[] = [floors, longRun, fleet, shortRun, latency, idle, kill, flood]
