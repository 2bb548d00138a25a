/** What the system says of another process (Linux: `/proc`). */
import { readFile } from 'node:fs/promises'

/** The unit of times in `/proc`; 100 a second on every common Linux. */
const TICKS_PER_SECOND = 100

/** CPU time of the process so far. */
export const cpuMsOf = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name in brackets may hold spaces: fields are counted behind it. 14 and 15 of all are user and system time.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

export const residentMb = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(/VmRSS:\s*(\d+)/.exec(text)?.[1]) * 1024) / 1e6
}
