/** The words of tenants, their projects, keys and members. */
import type { Role } from './roles.ts'

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

/** `*` for all, `runs:*` for all of a thing, `runs:read` for one. */
export type Scope = string

export interface ApiKey {
  readonly id: string
  readonly tenantId: string
  /** What the key makes belongs to this project; null: to none. */
  readonly projectId: string | null
  readonly name: string
  /** Null: its scopes say what it may do. */
  readonly role: Role | null
  readonly scopes: readonly Scope[]
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
  readonly rotatedAtMs: number | null
  /** Until then the secret before the last rotation counts too. */
  readonly previousUntilMs: number | null
  /** Written once a minute at most. */
  readonly lastUsedAtMs: number | null
  readonly createdAtMs: number
}

/** What a secret is held against; `NO_HASH` where there is none. */
export interface KeyHashes {
  readonly hash: string
  readonly previousHash: string
}

export const MEMBER_STATUSES = ['active', 'disabled'] as const
export type MemberStatus = (typeof MEMBER_STATUSES)[number]

/** A person of a tenant. */
export interface Member {
  readonly id: string
  readonly tenantId: string
  /** In lower case; unique within the tenant. */
  readonly email: string
  readonly name: string
  readonly role: Role
  readonly status: MemberStatus
  /** `ISSUER|SUB` of the identity provider, from the first sign-in on. */
  readonly subject: string | null
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly lastSeenAtMs: number | null
}

export interface Session {
  /** A hash of the cookie's value. */
  readonly id: string
  readonly tenantId: string
  readonly memberId: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly address: string | null
  readonly userAgent: string | null
}
