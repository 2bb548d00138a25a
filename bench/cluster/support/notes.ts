/** What a load cost, in words: the hint at what bounds it. */
import { type Cost, sumOf } from './counters.ts'

const TOP = 6
const TEXT_LENGTH = 110

const short = (value: number): string => String(Number(value.toPrecision(3)))

const top = (values: ReadonlyMap<string, number>, per: number): string =>
  [...values]
    .filter(([, value]) => value > 0)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, TOP)
    .map(([name, value]) => `${name} ${short(value / per)}`)
    .join(', ')

/** Lines for people: the cost of one of `count` units. */
export const notesOf = (what: string, unit: string, count: number, cost: Cost): string[] => {
  const { cpuMs, statements, redis, writes, seconds } = cost
  const calls = sumOf(statements.map((each) => each.calls))
  const slowest = statements.toSorted((a, b) => b.ms - a.ms).slice(0, TOP)
  return [
    `${what}, one ${unit} of ${count}:`,
    `  CPU ${short(sumOf(cpuMs.values()) / count)} ms (${top(cpuMs, count)}); ${short(sumOf(cpuMs.values()) / (seconds * 1000))} cores were busy with it`,
    `  PostgreSQL: ${short(writes / count)} writing transactions, ${short(calls / count)} statements, ${short(sumOf(statements.map(({ ms }) => ms)) / count)} ms in them`,
    ...slowest.map(
      ({ text, calls: times, ms }) =>
        `    ${short(ms / count)} ms in ${short(times / count)} × ${text.slice(0, TEXT_LENGTH)}`,
    ),
    `  Redis: ${short(sumOf(redis.values()) / count)} commands (${top(redis, count)})`,
  ]
}
