/** The overlap policies as a table: what becomes of a fire, given how much of the schedule still goes on. */
import type { Overlap } from './types.ts'

/** Fires of one schedule that may wait behind each other. */
const QUEUED_MAX = 1000

/** Why a fire waits: what goes on is called off for it. */
export const SUPERSEDES = 'supersedes'

export interface OpenFires {
  /** Being started, or started and not over. */
  readonly going: number
  readonly queued: number
}

export type Decision =
  | { readonly status: 'due' }
  | { readonly status: 'queued'; readonly reason?: typeof SUPERSEDES }
  | { readonly status: 'skipped'; readonly reason: 'overlap' | 'queue_full' }

const go: Decision = { status: 'due' }
const queue: Decision = { status: 'queued' }
const skip: Decision = { status: 'skipped', reason: 'overlap' }

const DECIDE: Readonly<Record<Overlap, (open: OpenFires) => Decision>> = {
  allow: () => go,
  skip: () => skip,
  'queue-one': ({ queued }) => (queued === 0 ? queue : skip),
  'queue-all': ({ queued }) => (queued < QUEUED_MAX ? queue : { status: 'skipped', reason: 'queue_full' }),
  // It waits until what it calls off has ended, and what waited before it never starts.
  'cancel-previous': () => ({ status: 'queued', reason: SUPERSEDES }),
}

export const decideOverlap = (overlap: Overlap, open: OpenFires): Decision =>
  open.going + open.queued === 0 ? go : DECIDE[overlap](open)
