/** Sees to it that the programs which tests run are on the machine: installs them where it may, says what to install where not. */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Each is the name of a program and of the Debian package that brings it. */
export type DebianPackage = 'redis-server' | 'nginx'

/** Servers lie in /usr/sbin, which the PATH of an ordinary user may leave out. */
const isInstalled = (program: string): boolean =>
  [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin'].some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })

/** Rejects, saying what to install, when a program is missing and this is not root on a Debian-like system. */
export const ensureInstalled = async (programs: readonly DebianPackage[]): Promise<void> => {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) return
  const names = missing.join(' and ')
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    throw new Error(
      `the tests need ${names}, which this machine does not have. What to do: "sudo apt-get install ${missing.join(' ')}" ` +
        '(Debian, Ubuntu), or the like elsewhere; Redis has to be 7.0 or later.',
    )
  }
  console.error(`installing ${names} with apt-get, for the tests`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '--yes', '--no-install-recommends', ...missing]
  await run('apt-get', install, { env }).catch(async () => {
    // The lists of packages may be old, or not there at all.
    await run('apt-get', ['update'], { env })
    await run('apt-get', install, { env })
  })
}
