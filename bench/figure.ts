/** One measured figure, with its aim and its floor. */
import { median, noise } from './support/stats.ts'

export interface Aim {
  readonly is: 'at most' | 'at least'
  readonly value: number
}

/** The least that the machine itself needs for this, measured in the same run, right beside it. */
export interface Floor {
  readonly about: string
  /** In the figure's own unit. */
  readonly value: number
}

export interface Figure {
  /** Which load it belongs to. */
  readonly load: string
  readonly name: string
  readonly unit: string
  /** The median of the repeats. */
  readonly value: number
  /** From the smallest to the largest repeat, as a share of the median. */
  readonly noise: number
  readonly repeats: number
  readonly aim?: Aim | undefined
  readonly isMet?: boolean | undefined
  readonly floor?: (Floor & { readonly ratio: number }) | undefined
}

export interface FigureInput {
  readonly load: string
  readonly name: string
  readonly unit: string
  /** One value for each repeat. */
  readonly values: readonly number[]
  readonly aim?: Aim | undefined
  /** `values`: the floor at each repeat; the ratio is the median of the repeats' ratios. */
  readonly floor?: { readonly about: string; readonly values: readonly number[] } | undefined
}

const meets = (value: number, aim: Aim): boolean => (aim.is === 'at most' ? value <= aim.value : value >= aim.value)

export const makeFigure = ({ values, aim, floor, ...base }: FigureInput): Figure => {
  const value = median(values)
  return {
    ...base,
    value,
    noise: noise(values),
    repeats: values.length,
    ...(aim && { aim, isMet: meets(value, aim) }),
    ...(floor && {
      floor: {
        about: floor.about,
        value: median(floor.values),
        ratio: median(values.map((one, i) => one / (floor.values[i] as number))),
      },
    }),
  }
}

export const atMost = (value: number): Aim => ({ is: 'at most', value })
export const atLeast = (value: number): Aim => ({ is: 'at least', value })
