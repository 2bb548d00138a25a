/** Which folder the files skill opens to whom: the operator's own tenant works in the configured one, every other in one of its own. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface FilesRootOptions {
  readonly dataDir: string
  /** `AIDOS_FILES_ROOT`; empty: `files` in the data folder. */
  readonly configured: string
  readonly operatorId: () => string | undefined
}

/** The folder of a tenant, made when it is first asked for. */
export const makeFilesRoot = ({
  dataDir,
  configured,
  operatorId,
}: FilesRootOptions): ((tenantId: string) => string) => {
  const made = new Set<string>()
  return (tenantId) => {
    const isOperator = tenantId === operatorId()
    const folder = isOperator
      ? resolve(configured || join(dataDir, 'files'))
      : resolve(dataDir, 'tenants', tenantId, 'files')
    if (!made.has(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 })
    made.add(folder)
    return folder
  }
}
