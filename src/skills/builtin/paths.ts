/** Finds the place that a path means under a root, and refuses every way out of it. */
import fs from 'node:fs/promises'
import path from 'node:path'
import { AppError, defineErrors, messageOf } from '../../platform/errors.ts'

export const fileErrors = defineErrors({
  file_not_found: { status: 404 },
  /** The path leads out of the root. */
  file_outside_root: { status: 403 },
  file_too_large: { status: 422 },
  file_exists: { status: 409 },
  /** Not a file, not a folder, not text: something else than the call needs. */
  file_invalid: { status: 422 },
  /** This tenant has no folder for files. */
  file_no_root: { status: 403 },
  /** The disk or its permissions; it may pass. */
  file_failed: { status: 503, retryable: true },
})

export interface InsidePath {
  /** The root with no links in it. */
  readonly root: string
  /** The place meant, with no links in it. */
  readonly real: string
}

/**
 * Links are followed first and looked at afterwards: one that leads out of the root is refused, wherever in the path it is.
 * What is not there yet is found by its nearest folder that is.
 */
export const resolveInside = async (
  rootFolder: string,
  at: string,
  { mayBeMissing = false } = {},
): Promise<InsidePath> => {
  if (at.includes('\0')) throw fileErrors.file_invalid('a path has no NUL in it')
  const root = await mapFsErrors('the root', () => fs.realpath(rootFolder))
  const wanted = path.resolve(root, at)
  if (path.isAbsolute(at) || !isInside(root, wanted)) throw outside(at)
  const real = await realPath(at, wanted, mayBeMissing)
  if (!isInside(root, real)) throw outside(at)
  return { root, real }
}

const realPath = async (at: string, wanted: string, mayBeMissing: boolean): Promise<string> => {
  try {
    return await fs.realpath(wanted)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!missing || !mayBeMissing) throw asFileError(at, error)
    // A link that leads nowhere looks as if it were missing, but a file written to its name would be written at its target.
    if (await isLink(wanted)) throw outside(at)
    return path.join(await realPath(at, path.dirname(wanted), true), path.basename(wanted))
  }
}

const isLink = (file: string): Promise<boolean> =>
  fs.lstat(file).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  )

const isInside = (root: string, place: string): boolean => {
  const way = path.relative(root, place)
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way)
}

const outside = (at: string): AppError =>
  fileErrors.file_outside_root(
    `${JSON.stringify(at)} leads out of the folder: give a path below it, like "notes/a.txt"`,
  )

/** Runs it, and turns what the file system throws into `fileErrors` that name the path as the caller gave it. */
export const mapFsErrors = async <T>(at: string, run: () => Promise<T>): Promise<T> => {
  try {
    return await run()
  } catch (error) {
    throw asFileError(at, error)
  }
}

const asFileError = (at: string, error: unknown): unknown => {
  if (error instanceof AppError) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return fileErrors.file_not_found(`${at} is not there`, { cause: error })
  if (code === 'EISDIR') return fileErrors.file_invalid(`${at} is a folder`, { cause: error })
  if (code === 'ENOTDIR')
    return fileErrors.file_invalid(`${at} is not a folder, or something above it is not`, { cause: error })
  if (code === 'ENAMETOOLONG')
    return fileErrors.file_invalid(`${at.slice(0, 50)}… is too long a name`, { cause: error })
  if (code === 'ELOOP') return fileErrors.file_invalid(`${at} is a link that leads round in a circle`, { cause: error })
  if (code === undefined) return error
  return fileErrors.file_failed(`${at}: ${code}`, { cause: error, details: { reason: messageOf(error) } })
}
