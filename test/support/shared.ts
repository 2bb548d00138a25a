/** Access to `../shared`, a folder beside the checkout with material that is not part of the repository. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'

const sharedFolder = path.resolve(import.meta.dirname, '../../../shared')

/**
 * The full path of `name` in the shared folder. Where it is missing the test is marked as skipped, with the reason, and
 * the answer is undefined: `const cases = skipUnlessShared(t, 'asl-cases'); if (!cases) return`.
 */
export const skipUnlessShared = (
  t: Pick<TestContext, 'skip'>,
  name = '',
  folder = sharedFolder,
): string | undefined => {
  const file = path.join(folder, name)
  if (existsSync(file)) return file
  t.skip(`needs ${path.join('../shared', name)} beside the checkout`)
  return undefined
}
