/**
 * Which folder the files skill and distributed Maps open to whom: the operator's own tenant works in the configured one, every other in
 * one of its own, and each project in one below its tenant's. So a project sees its files alone, and the tenant those of all.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Scope } from '../platform/scope.ts'

export interface FilesRootOptions {
  readonly dataDir: string
  /** `AIDOS_FILES_ROOT`; empty: `files` in the data folder. */
  readonly configured: string
  readonly operatorId: () => string | undefined
}

/** An id becomes part of a path. */
const checked = (id: string): string => {
  if (!/^[A-Za-z0-9_-]+$/.test(id)) throw new Error(`the id ${JSON.stringify(id)} is no name of a folder`)
  return id
}

/** The folder of a tenant or a project, made when it is first asked for. */
export const makeFilesRoot = ({ dataDir, configured, operatorId }: FilesRootOptions): ((scope: Scope) => string) => {
  const made = new Set<string>()
  return ({ tenantId, projectId }) => {
    const isOperator = tenantId === operatorId()
    const shared = isOperator
      ? resolve(configured || join(dataDir, 'files'))
      : resolve(dataDir, 'tenants', checked(tenantId), 'files')
    const folder = projectId === null ? shared : join(shared, 'projects', checked(projectId))
    if (!made.has(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 })
    made.add(folder)
    return folder
  }
}
