/** Finds the test files that the words after `npm test --` mean. */
import { existsSync, globSync, statSync } from 'node:fs'
import path from 'node:path'

/** What a whole run takes. The kill tests and the examples' own tests have commands of their own. */
const everything = ['src/**/*.test.ts', 'test/**/*.test.ts']
const elsewhere = ['test/kill/**']
/** What takes long and is asked for by name, or by `--slow`. */
const SLOW = '.slow.test.ts'

/**
 * No word: every test but the slow ones; with `isSlow` these alone. A word is a file (which may lie anywhere), a folder, a glob, or a part of a path. Answers with
 * full paths, sorted, each once; a word that means nothing is named in `unknown`.
 */
export const findTests = (
  root: string,
  words: readonly string[],
  isSlow = false,
): { files: string[]; unknown: string[] } => {
  const glob = (patterns: string[], exclude: string[]): string[] =>
    globSync(patterns, { cwd: root, exclude }).map((file) => path.join(root, file))
  const all = glob(everything, elsewhere)
  const meaning = (word: string): string[] => {
    const full = path.resolve(root, word)
    if (existsSync(full) && statSync(full).isFile()) return [full]
    const inFolder = all.filter((file) => file.startsWith(full + path.sep))
    if (inFolder.length > 0) return inFolder
    if (/[*?[{]/.test(word)) return glob([word], ['node_modules/**'])
    return all.filter((file) => path.relative(root, file).includes(word))
  }
  const meanings = words.map((word) => ({ word, files: meaning(word) }))
  const usual = all.filter((file) => file.endsWith(SLOW) === isSlow)
  const files = words.length === 0 ? usual : meanings.flatMap((m) => m.files)
  return {
    files: [...new Set(files)].sort(),
    unknown: meanings.filter((m) => m.files.length === 0).map((m) => m.word),
  }
}
