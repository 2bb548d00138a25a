/** Ties a child to the life of this process, where the system can: Linux ends it when this process dies, however that came. */
import { execFileSync } from 'node:child_process'

/** What stands before a command so that the child gets `signal` at this process's death; nothing where `setpriv` is missing. */
export type Leash = (signal: 'KILL' | 'QUIT') => readonly string[]

export const makeLeash = (): Leash => {
  const probe = ['--pdeathsig', 'KILL', 'true']
  try {
    execFileSync('setpriv', probe, { stdio: 'ignore' })
  } catch {
    return () => []
  }
  return (signal) => ['setpriv', '--pdeathsig', signal]
}
