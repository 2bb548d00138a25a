/** The size of a value as if it were written out, even where parts of it are shared: `[x, x]` counts `x` twice. */

export type Measure = (value: unknown) => number

/**
 * Remembers every array and object it has measured, so that a value built of measured parts costs only its own width.
 * That holds as long as nobody changes a value after it was measured.
 */
export const makeMeasure = (): Measure => {
  const known = new WeakMap<object, number>()
  const measure: Measure = (value) => {
    if (typeof value === 'string') return value.length + 2
    if (typeof value !== 'object' || value === null) return 4
    const before = known.get(value)
    if (before !== undefined) return before
    // A value that contains itself cannot come from JSON, but a function's inner state may: it counts as small.
    known.set(value, 2)
    const size = Array.isArray(value) ? measureArray(value) : measureObject(value as Record<string, unknown>)
    known.set(value, size)
    return size
  }
  const measureArray = (items: readonly unknown[]): number => {
    let size = 2
    for (let i = 0; i < items.length; i++) size += measure(items[i]) + 1
    return size
  }
  const measureObject = (fields: Readonly<Record<string, unknown>>): number => {
    if (fields._jsonata_lambda === true || fields._jsonata_function === true) return 4
    let size = 2
    for (const key of Object.keys(fields)) size += key.length + 4 + measure(fields[key])
    return size
  }
  return measure
}
