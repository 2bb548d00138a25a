/** Colours, where somebody can see them: on a terminal, unless NO_COLOR (no-color.org) says otherwise. */
import type { Io, Output } from './io.ts'

type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
  readonly hasColours: boolean
}

const paint =
  (on: number, off: number): Paint =>
  (text) =>
    `\u001b[${on}m${text}\u001b[${off}m`
const plain: Paint = (text) => text

export const plainStyle: Style = {
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain,
  hasColours: false,
}

const colours: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  cyan: paint(36, 39),
  hasColours: true,
}

export const styleFor = (output: Output, env: Io['env']): Style =>
  output.isTTY && !env.NO_COLOR && env.TERM !== 'dumb' ? colours : plainStyle
