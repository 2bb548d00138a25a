/** Figures from samples. */

/** The smallest sample that at least `share` (0 to 1) of all samples do not exceed. */
export const percentile = (samples: readonly number[], share: number): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** How far the repeats lie apart: from the smallest to the largest, as a share of their median. */
export const noise = (samples: readonly number[]): number =>
  samples.length < 2 ? 0 : (Math.max(...samples) - Math.min(...samples)) / median(samples)
