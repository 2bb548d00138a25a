/** A folder that lives as long as a test. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Cleanup, wholeFile } from './cleanup.ts'

/** Makes an empty folder and removes it, with all that is in it, when the test ends (the file, if none is given). */
export const makeTempFolder = async (t: Cleanup = wholeFile): Promise<string> => {
  const folder = await mkdtemp(path.join(await realpath(tmpdir()), 'aidos-test-'))
  // A process that is just ending may still write: try a few times before giving up.
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  return folder
}
