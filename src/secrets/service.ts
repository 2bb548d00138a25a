/** The secret store: values go in, are handed to the code that sends them on, and never come out over the API. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import { defineErrors } from '../platform/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { MakeId } from '../platform/ids.ts'
import { openIfReadable, type Reseal, type Unreadable } from '../platform/resealing.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { makeSecretRepository, type SecretFilter } from './repository.ts'
import type { RevealSecret, SealedSecret, Secret } from './types.ts'

const secretErrors = defineErrors({
  secret_not_found: { status: 404 },
  /** The value is no text, empty or too long; or a host is none. Nothing of the value is told. */
  secret_invalid: { status: 400 },
  /** Somebody else changed it at the same moment. */
  secret_changed: { status: 409, retryable: true },
  /** It is about to be sent where it may not go. */
  secret_host_refused: { status: 422 },
  project_not_found: { status: 404 },
})

export interface SecretServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly box: SecretBox
}

export interface SecretPlace {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
}

const LONGEST_BYTES = 65_536
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?$/

const placeOf = (id: string): string => `secret:${id}`

/** `*.example.org` stands for every name below it, not for itself. A host without a port is meant on every port. */
const isAllowed = (hosts: readonly string[], url: URL): boolean => {
  const { hostname, protocol } = url
  // A URL does not say the port that its scheme has anyway.
  const port = url.port || { 'https:': '443', 'http:': '80' }[protocol]
  return hosts.some((allowed) => {
    const [name = '', onPort] = allowed.split(':')
    const isName = name.startsWith('*.') ? hostname.endsWith(name.slice(1)) : hostname === name
    return isName && (onPort === undefined || onPort === port)
  })
}

export const makeSecretService = ({ db, clock, makeId, box }: SecretServiceOptions) => {
  const secrets = makeSecretRepository(db.primary)

  const tell = (tx: Handle, type: string, { tenantId, projectId, name, version }: Secret): Promise<void> =>
    writeEvent(tx, { tenantId, projectId, type, data: { name, version }, atMs: clock.now() })

  const notFound = ({ name }: Pick<SecretPlace, 'name'>): Error =>
    secretErrors.secret_not_found(`there is no secret "${name}"`)
  const changed = (name: string): Error =>
    secretErrors.secret_changed(`somebody else set the secret "${name}" at the same moment; try again`)

  const checkValue = (value: unknown): string => {
    if (typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= LONGEST_BYTES) return value
    throw secretErrors.secret_invalid(`the value must be a text of 1 to ${LONGEST_BYTES} bytes`)
  }

  const checkHosts = (hosts: readonly string[]): readonly string[] => {
    const wrong = hosts.find((host) => !HOST.test(host))
    if (wrong === undefined) return hosts
    throw secretErrors.secret_invalid(
      `"${wrong}" is no host; allowed: names in lower case such as api.example.org, *.example.org, or with a port`,
    )
  }

  const seal = (id: string, value: string): Pick<SealedSecret, 'sealed' | 'keyId'> => {
    const sealed = box.seal(value, placeOf(id))
    return { sealed, keyId: box.keyIdOf(sealed) }
  }

  const create = async (place: SecretPlace, value: string, hosts: readonly string[]): Promise<Secret> => {
    const { tenantId, projectId } = place
    if (projectId !== null && !(await secrets.hasProject(tenantId, projectId)))
      throw secretErrors.project_not_found(`there is no project ${projectId}`)
    const [id, nowMs] = [makeId(), clock.now()]
    const times = { createdAtMs: nowMs, updatedAtMs: nowMs }
    const secret: SealedSecret = { ...place, id, hosts, version: 1, ...seal(id, value), ...times }
    try {
      await db.transaction(async (tx) => {
        await makeSecretRepository(tx).add(secret)
        await tell(tx, 'secret.created', secret)
      })
    } catch (error) {
      throw isUniqueViolation(error) ? changed(place.name) : error
    }
    return secret
  }

  /** As it is now, and stays until the end of the transaction: whoever changes it too waits. */
  const hold = async (tx: Handle, { tenantId, projectId, name }: SecretPlace): Promise<Secret> => {
    const held = makeSecretRepository(tx)
    await held.lock(tenantId, projectId, name)
    const secret = await held.secret(tenantId, projectId, name)
    if (!secret) throw notFound({ name })
    return secret
  }

  const reveal: RevealSecret = async ({ tenantId, projectId, reference, url }) => {
    const name = reference.$secret
    const secret = await secrets.nearest(tenantId, projectId, name)
    if (!secret) throw notFound({ name })
    const value = box.open(secret.sealed, placeOf(secret.id))
    const to = URL.parse(url ?? value)
    if (secret.hosts.length > 0 && !(to && isAllowed(secret.hosts, to))) {
      throw secretErrors.secret_host_refused(
        `the secret "${name}" may not be sent to ${to?.host ?? 'what is no address'}; allowed: ${secret.hosts.join(', ')}`,
      )
    }
    return `${reference.prefix ?? ''}${value}`
  }

  /** Of all tenants. */
  const reseal: Reseal = async (limit, afterId) => {
    const old = await secrets.underOtherKeys(box.currentKeyId(), limit, afterId)
    const unreadable: Unreadable[] = []
    const changes = old.flatMap((before) => {
      const { id, tenantId, projectId, name } = before
      const value = openIfReadable(box, before.sealed, placeOf(id))
      if (value !== undefined) return [{ before, ...seal(id, value) }]
      unreadable.push({ tenantId, projectId, name })
      return []
    })
    if (changes.length > 0)
      await db.transaction(async (tx) => {
        for (const { before, sealed, keyId } of changes) await makeSecretRepository(tx).reseal(before, sealed, keyId)
      })
    return { count: changes.length, unreadable, nextId: old.length < limit ? null : (old.at(-1)?.id ?? null) }
  }

  return {
    /** Makes it, or gives it another value; it counts for whatever is sent from now on. `hosts` as before if left out. */
    async set(
      place: SecretPlace,
      given: { value: unknown; hosts?: readonly string[] | undefined },
      check?: (current: Secret | undefined) => void,
    ): Promise<Secret> {
      const value = checkValue(given.value)
      const before = await secrets.secret(place.tenantId, place.projectId, place.name)
      check?.(before)
      const hosts = checkHosts(given.hosts ?? before?.hosts ?? [])
      if (!before) return create(place, value, hosts)
      const version = before.version + 1
      const after: SealedSecret = { ...before, hosts, version, ...seal(before.id, value), updatedAtMs: clock.now() }
      await db.transaction(async (tx) => {
        // Only over the version that was checked.
        if (!(await makeSecretRepository(tx).change(after))) throw changed(place.name)
        await tell(tx, 'secret.changed', after)
      })
      return after
    },
    async find({ tenantId, projectId, name }: SecretPlace): Promise<Secret> {
      const secret = await secrets.secret(tenantId, projectId, name)
      if (!secret) throw notFound({ name })
      return secret
    },
    list: (tenantId: string, filter: SecretFilter): Promise<Secret[]> => secrets.secrets(tenantId, filter),
    async remove(place: SecretPlace, check?: (current: Secret) => void): Promise<void> {
      await db.transaction(async (tx) => {
        const secret = await hold(tx, place)
        check?.(secret)
        await makeSecretRepository(tx).remove(secret.tenantId, secret.id)
        await tell(tx, 'secret.deleted', secret)
      })
    },
    reveal,

    reseal,
  }
}

export type SecretService = ReturnType<typeof makeSecretService>
