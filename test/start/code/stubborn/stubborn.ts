/** A task that hears that it is called off, says so, and goes on all the same: nobody may wait for it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { task } from '#sdk'

const say = (line: string): void => void process.stderr.write(`${line}\n`)

export const stubborn = task('stubborn', async (_input, { signal }) => {
  say('the stubborn task begins')
  signal.addEventListener('abort', () => say('the stubborn task is called off'))
  await sleep(60_000)
  return null
})
