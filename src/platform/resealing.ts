/** What putting sealed things under another key is made of. One that cannot be opened must be named, and must not keep the others back. */
import { AppError } from './errors.ts'
import type { SecretBox } from './secret-box.ts'

/** Enough to find it; nothing of what is in it. */
export interface Unreadable {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
}

export interface Resealed {
  readonly count: number
  /** Left as they are. */
  readonly unreadable: readonly Unreadable[]
  /** Where the next batch begins; null: there is none. */
  readonly nextId: string | null
}

/** Puts up to `limit` things with ids after this one under the current key. */
export type Reseal = (limit: number, afterId: string) => Promise<Resealed>

/** Undefined where the text cannot be opened. */
export const openIfReadable = (box: Pick<SecretBox, 'open'>, sealed: string, place: string): string | undefined => {
  try {
    return box.open(sealed, place)
  } catch (error) {
    if (error instanceof AppError && error.code === 'secret_unreadable') return undefined
    throw error
  }
}
