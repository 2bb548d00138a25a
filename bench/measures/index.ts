/** All measurements, in the order in which they are taken. */
import type { Measure } from '../bench.ts'
import { accept } from './accept.ts'
import { asl } from './asl.ts'
import { fleet } from './fleet.ts'
import { flood } from './flood.ts'
import { floors } from './floors.ts'
import { idle } from './idle.ts'
import { kill } from './kill.ts'
import { longRun, shortRun } from './serial.ts'
import { coldStart } from './start.ts'

export const MEASURES: readonly Measure[] = [
  floors,
  longRun,
  fleet,
  shortRun,
  idle,
  kill,
  flood,
  accept,
  coldStart,
  asl,
]
