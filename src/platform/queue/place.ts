/** Places for work outside the queue, and the messages by which processes lend them to each other. */

/** Where new work starts with its birth, without the queue. */
export interface Place<T> {
  /** The process that does it. */
  readonly workerId: string
  /** After the commit that says so. */
  start(work: T): void
  /** There was no such commit. */
  giveBack(): void
}

/** Work as its row says, plain enough for JSON. */
export interface PlacedWork {
  readonly id: string
  readonly workerId: string | null
}

/** Ordinary places and spare ones are lent and borrowed alike. */
export type PlaceKind = 'places' | 'spares'
export const PLACE_KINDS: readonly PlaceKind[] = ['places', 'spares']

/** Names what is lent and borrowed together. */
export const placeKey = (partition: string, kind: PlaceKind): string => `${partition} ${kind}`

/** The names of the messages about the work of one topic. */
export const placeMessages = (topic: string) => ({
  WANTED: `${topic}:places-wanted`,
  LENT: `${topic}:places-lent`,
  REVOKED: `${topic}:places-revoked`,
  FORGOTTEN: `${topic}:places-forgotten`,
  START: `${topic}:start`,
})
