/** The figures as a table for people, and as JSON for programs. */
import { cpus, loadavg, totalmem } from 'node:os'
import type { Measure } from './bench.ts'
import type { Figure } from './figure.ts'
import type { SelfTime } from './support/profile.ts'

/** The machine as it was, since figures mean nothing without it. */
export interface Machine {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  /** Of the last minute: others that work at the same time spoil the figures. */
  readonly loadBefore: number
  readonly loadAfter: number
}

export const readMachine = (loadBefore: number): Machine => ({
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 1e9),
  loadBefore,
  loadAfter: loadNow(),
})

export const loadNow = (): number => loadavg()[0] as number

const number = (value: number): string => {
  if (value === 0) return '0'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

const cells = ({ name, value, unit, aim, isMet, floor, noise, repeats }: Figure): string[] => [
  name,
  `${number(value)} ${unit}`.trim(),
  repeats > 1 ? percent(noise) : '',
  aim ? `${aim.is} ${number(aim.value)}: ${isMet ? 'met' : 'MISSED'}` : '',
  floor ? `${number(floor.value)} (${floor.about})` : '',
  floor ? number(floor.ratio) : '',
]

const HEAD = ['', 'median', 'spread', 'aim', 'floor', 'ratio']

export const showFigures = (measures: readonly Pick<Measure, 'id' | 'about'>[], figures: readonly Figure[]): string => {
  const rows = figures.map(cells)
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => (row[i] as string).length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  const lines = measures.flatMap(({ id, about }) => [
    '',
    `[${id}] ${about}`,
    ...figures.filter((figure) => figure.load === id).map((figure) => line(cells(figure))),
  ])
  return [line(HEAD), ...lines].join('\n')
}

export const showMachine = ({ node, cpu, cores, memoryGb, loadBefore, loadAfter }: Machine): string =>
  [
    `Node ${node}, ${cores} × ${cpu}, ${memoryGb} GB; load average ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after`,
    'Each figure is the median of its repeats; spread is from the smallest to the largest repeat, as a share of the median.',
    'A floor is measured beside each repeat; where other work shares the machine, trust the ratios.',
  ].join('\n')

const SHOWN = 25

export const showProfile = (times: readonly SelfTime[]): string =>
  times
    .slice(0, SHOWN)
    .map(({ place, ms, share }) => `${percent(share).padStart(5)} ${number(ms).padStart(8)} ms  ${place}`)
    .join('\n')
