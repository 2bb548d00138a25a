/**
 * Puts everything that is sealed under the key that seals now. Each batch commits by itself and takes what is still under another key,
 * so that a rotation that was broken off is simply begun again; until it is done, the keys before must stay.
 */
import type { SecretKeys } from '../platform/secret-keys.ts'

/** A kind of sealed things: puts up to `limit` of them under the current key and says how many were not; fewer: there are no more. */
export interface Sealed {
  readonly name: string
  reseal(limit: number): Promise<number>
}

export interface Rotated {
  readonly keyId: string
  /** How many were changed, by kind. */
  readonly resealed: Readonly<Record<string, number>>
  /** Whether nothing is left under another key; otherwise it is to be called again. */
  readonly isDone: boolean
}

const BATCH = 100
/** Of one call: a request must end in good time. */
const MOST_BATCHES = 50

export const makeRotation = ({ keys, sealed }: { readonly keys: SecretKeys; readonly sealed: readonly Sealed[] }) => ({
  async rotate(): Promise<Rotated> {
    keys.reload()
    const resealed: Record<string, number> = {}
    let batches = 0
    let isDone = true
    for (const { name, reseal } of sealed) {
      resealed[name] = 0
      for (let count = BATCH; count === BATCH; ) {
        if (batches++ >= MOST_BATCHES) {
          isDone = false
          break
        }
        count = await reseal(BATCH)
        resealed[name] += count
      }
    }
    return { keyId: keys.all()[0]?.id ?? '', resealed, isDone }
  },
})

export type Rotation = ReturnType<typeof makeRotation>
