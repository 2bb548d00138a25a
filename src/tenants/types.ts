/** The words of tenants, their projects and keys. */

export interface Tenant {
  readonly id: string
  readonly name: string
  readonly createdAtMs: number
}

export interface Project {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  readonly createdAtMs: number
}

export interface ApiKey {
  readonly id: string
  readonly tenantId: string
  /** What the key makes belongs to this project; null: to none. */
  readonly projectId: string | null
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
  readonly lastUsedAtMs: number | null
  readonly createdAtMs: number
}

/** `*` for all, `runs:*` for all of a thing, `runs:read` for one. */
export type Scope = string
