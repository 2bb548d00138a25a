/** The words of the secret store. */

/** A secret without its value, which is never shown. */
export interface Secret {
  readonly id: string
  readonly tenantId: string
  /** Null: for the whole tenant. */
  readonly projectId: string | null
  readonly name: string
  /** Where it may be sent: `api.example.org`, `*.example.org`. None: anywhere. */
  readonly hosts: readonly string[]
  /** Counts the values that it has had. */
  readonly version: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface SealedSecret extends Secret {
  readonly sealed: string
  /** Of the key that it is sealed under. */
  readonly keyId: string
}

/** Stands for a secret where a definition would have its value. */
export interface SecretReference {
  readonly $secret: string
  /** Put before the value: `Bearer `. */
  readonly prefix?: string | undefined
}

/** Who needs a secret, and where it is about to be sent. */
export interface RevealRequest {
  readonly tenantId: string
  /** Of the thing that names the secret: its project's secret goes before the tenant's. */
  readonly projectId: string | null
  readonly reference: SecretReference
  /** Null: the value is an address, and goes there. */
  readonly url: string | null
}

/**
 * The value with its prefix. Throws `secret_not_found`, `secret_host_refused`: both name the secret, and neither has anything of its
 * value.
 */
export type RevealSecret = (request: RevealRequest) => Promise<string>
