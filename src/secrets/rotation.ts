/**
 * Puts everything that is sealed under the key that seals now. Each batch commits by itself and takes what is still under another key,
 * so that a rotation that was broken off is simply begun again; until it is done, the keys before must stay.
 */
import { defineErrors } from '../platform/errors.ts'
import type { Reseal, Unreadable } from '../platform/resealing.ts'
import type { SecretKeys } from '../platform/secret-keys.ts'

const rotationErrors = defineErrors({
  /** Everything else was changed. */
  rotation_incomplete: { status: 409 },
})

/** A kind of sealed things. */
export interface Sealed {
  /** In the plural: `secrets`. */
  readonly name: string
  readonly reseal: Reseal
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
/** That an answer lists. */
const MOST_NAMED = 100

type Found = Unreadable & { readonly kind: string }

const nameOf = ({ kind, tenantId, projectId, name }: Found): string =>
  `"${name}" of the tenant ${tenantId}${projectId === null ? '' : `, project ${projectId}`} (${kind})`

const incomplete = (found: readonly Found[], done: Omit<Rotated, 'isDone'>): Error => {
  const named = found.slice(0, MOST_NAMED)
  const more = found.length > named.length ? ` and ${found.length - named.length} more` : ''
  return rotationErrors.rotation_incomplete(
    `${found.length} cannot be opened with the keys that are here: ${named.map(nameOf).join('; ')}${more}. ` +
      `Everything else is under the key ${done.keyId}. Put the key they were sealed under back, or delete or set each anew; then rotate again`,
    { details: { unreadable: named, count: found.length, ...done } },
  )
}

export const makeRotation = ({ keys, sealed }: { readonly keys: SecretKeys; readonly sealed: readonly Sealed[] }) => ({
  /** Throws `rotation_incomplete` when some cannot be opened, after all others were changed. */
  async rotate(): Promise<Rotated> {
    keys.reload()
    const resealed: Record<string, number> = {}
    const unreadable: Found[] = []
    let batches = 0
    let isDone = true
    for (const { name, reseal } of sealed) {
      resealed[name] = 0
      for (let afterId: string | null = ''; afterId !== null; ) {
        if (batches >= MOST_BATCHES) {
          isDone = false
          break
        }
        const batch = await reseal(BATCH, afterId)
        // One that changed nothing costs little, and the next call would meet it again.
        if (batch.count > 0) batches++
        resealed[name] += batch.count
        unreadable.push(...batch.unreadable.map((each) => ({ kind: name, ...each })))
        afterId = batch.nextId
      }
    }
    const keyId = keys.all()[0]?.id ?? ''
    if (isDone && unreadable.length > 0) throw incomplete(unreadable, { keyId, resealed })
    return { keyId, resealed, isDone }
  },
})

export type Rotation = ReturnType<typeof makeRotation>
