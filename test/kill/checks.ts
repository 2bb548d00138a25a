/** The list of what was checked, and how it came out. */

export interface Check {
  readonly name: string
  /** Empty when it holds. */
  readonly problems: readonly string[]
}

const MOST_SHOWN = 5

export const makeCheck = (name: string, problems: readonly string[]): Check => ({ name, problems })

export const showChecks = (checks: readonly Check[]): string =>
  checks
    .flatMap(({ name, problems }) => [
      `${problems.length === 0 ? 'passed' : 'FAILED'}  ${name}`,
      ...problems.slice(0, MOST_SHOWN).map((problem) => `        ${problem}`),
      ...(problems.length > MOST_SHOWN ? [`        and ${problems.length - MOST_SHOWN} more`] : []),
    ])
    .join('\n')

/** What happens more than once, with how often. */
export const repeats = (values: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return new Map([...counts].filter(([, count]) => count > 1))
}
