/** Code that takes its time while it is loaded, so that a test can do something in the middle of a start. */
import { setTimeout as sleep } from 'node:timers/promises'
import { task } from '#sdk'

process.stderr.write('the slow code is being read\n')
await sleep(1500)

export const nothing = task('nothing', async () => null)
