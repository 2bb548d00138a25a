/** The known word that a mistyped one most likely means. */

/** Steps from one text to the other: insert, delete, replace, or swap two neighbours (optimal string alignment). */
const distance = (a: string, b: string): number => {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** Undefined when none is near: a wild guess confuses more than none. */
export const nearest = (given: string, known: readonly string[]): string | undefined => {
  const word = given.toLowerCase()
  const starting = known.find((name) => word.length >= 2 && name.startsWith(word))
  if (starting) return starting
  const ranked = known
    .map((name) => ({ name, steps: distance(word, name) }))
    .filter(({ name, steps }) => steps <= Math.max(1, Math.floor(Math.max(name.length, word.length) / 3)))
    .sort((x, y) => x.steps - y.steps)
  return ranked[0]?.name
}
