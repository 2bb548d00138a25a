/**
 * Whose things a call is about. A key bound to a project sees the things of its project and those of no project, which all of the
 * tenant share, and changes its own alone; what is another project's answers like what does not exist.
 */
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { defineErrors } from './errors.ts'

/** A principal is one; so is any thing that has an owner. `projectId` null: all of the tenant. */
export interface Scope {
  readonly tenantId: string
  readonly projectId: string | null
}

/** A bare tenant id stands for the whole tenant: for the house itself. Routes pass the principal. */
export type Owner = string | Scope

const scopeErrors = defineErrors({
  /** The thing belongs to the whole tenant, and a key of one project cannot change it. */
  shared_read_only: { status: 403 },
})

export const toScope = (owner: Owner): Scope =>
  typeof owner === 'string' ? { tenantId: owner, projectId: null } : owner

export const tenantOf = (owner: Owner): string => (typeof owner === 'string' ? owner : owner.tenantId)

/** `query.where(visibleTo(owner))`: the rows that it sees, own ones and shared ones. `table` where the query joins several. */
export const visibleTo = (owner: Owner, table?: string): RawBuilder<SqlBool> => {
  const { tenantId, projectId } = toScope(owner)
  const [tenant, project] = columnsOf(table)
  if (projectId === null) return sql<SqlBool>`${tenant} = ${tenantId}`
  return sql<SqlBool>`${tenant} = ${tenantId} and (${project} = ${projectId} or ${project} is null)`
}

/**
 * The rows that are its own, for records that tell of others' things: a delivery or an audit entry of no project may have something of
 * any project in it.
 */
export const ownedBy = (owner: Owner): RawBuilder<SqlBool> => {
  const { tenantId, projectId } = toScope(owner)
  const [tenant, project] = columnsOf(undefined)
  if (projectId === null) return sql<SqlBool>`${tenant} = ${tenantId}`
  return sql<SqlBool>`${tenant} = ${tenantId} and ${project} = ${projectId}`
}

const columnsOf = (table: string | undefined) => {
  const prefix = table === undefined ? '' : `${table}.`
  return [sql.ref(`${prefix}tenant_id`), sql.ref(`${prefix}project_id`)] as const
}

/** The same as `ownedBy`, of what was read already. */
export const isOwnedBy = (owner: Owner, thing: Scope): boolean => {
  const { tenantId, projectId } = toScope(owner)
  return thing.tenantId === tenantId && (projectId === null || thing.projectId === projectId)
}

/** The same as `visibleTo`, of a thing that was read already. */
export const isVisibleTo = (owner: Owner, thing: Scope): boolean => {
  const { tenantId, projectId } = toScope(owner)
  const isShared = projectId === null || thing.projectId === null
  return thing.tenantId === tenantId && (isShared || thing.projectId === projectId)
}

/** The thing, if the owner sees it. */
export const ifVisible = <T extends Scope>(owner: Owner, thing: T | undefined): T | undefined =>
  thing && isVisibleTo(owner, thing) ? thing : undefined

/** Throws `shared_read_only` for a change of what is not the owner's own. What it does not see it must not have found. */
export const checkMayChange = (owner: Owner, thing: Pick<Scope, 'projectId'>): void => {
  const { projectId } = toScope(owner)
  if (projectId === null || thing.projectId === projectId) return
  throw scopeErrors.shared_read_only(
    `this belongs to the whole tenant; a key of the project ${projectId} can use it, and changes what is its project's`,
  )
}

/** Keys that callers choose are unique within a tenant; those of a project are kept apart, so that none meets another's. */
export const keyWithin = ({ projectId }: Pick<Scope, 'projectId'>, key: string): string =>
  projectId === null ? key : `${projectId}/${key}`
