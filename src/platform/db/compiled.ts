/** Queries that are asked often: built and compiled to SQL once per handle, then run with other values. */
import type { CompiledQuery } from 'kysely'
import type { Handle } from './database.ts'

interface Compilable<R> {
  compile(): CompiledQuery<R>
}

/**
 * `build` is called once, with a mark in the place of each value; the returned function takes the values in the order in which they
 * stand in the SQL text.
 */
export const compileOnce = <R>(
  handle: Handle,
  build: () => Compilable<R>,
): ((...values: readonly unknown[]) => Promise<R[]>) => {
  let compiled: CompiledQuery<R> | undefined
  return async (...values) => {
    compiled ??= build().compile()
    const { rows } = await handle.executeQuery<R>({ ...compiled, parameters: values })
    return rows
  }
}

/** Stands for a value while a query is built. */
export const VALUE = ''
