/** CPU profiles of the processes of a cluster, by role. */
import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../../cluster/service.ts'
import { showProfile } from '../report.ts'
import { readProfiles } from '../support/profile.ts'

/** Sorts the profiles into a folder for each role, and tells where the time of each went. */
export const showProfiles = async (folder: string, services: readonly Service[]): Promise<string> => {
  const roles = new Map(services.flatMap(({ role, child }) => child.lives.map(({ pid }) => [pid, role] as const)))
  const found = new Set<string>()
  for (const file of await readdir(folder)) {
    // CPU.20261122.173026.PID.THREAD.NUMBER.cpuprofile
    const role = roles.get(Number(file.split('.')[3]))
    if (!file.endsWith('.cpuprofile') || role === undefined) continue
    await mkdir(join(folder, role), { recursive: true })
    await rename(join(folder, file), join(folder, role, file))
    found.add(role)
  }
  const parts = [...found].map(async (role) => `${role}\n${showProfile(await readProfiles(join(folder, role)))}`)
  return (await Promise.all(parts)).join('\n\n')
}
