/** Reference paths name exactly one place; `ResultPath` writes there without touching the value it was given. */
import type { Json } from '../../platform/json.ts'
import { EngineError, STATES } from '../errors.ts'
import { isObject, setOwn } from '../values.ts'
import { parsePath } from './parse.ts'
import type { ParsedPath, PathStep } from './path.ts'

export type WritePath = (document: Json, value: Json) => Json

/** The operators `@ , : ? *` have no place in a reference path: a name with one of them stands in brackets. */
const NAME_CHARACTER = /[^\s.[(@,:?*]/u

/** Parses a path that may be written to; throws a plain `Error` when it could name several places or none. */
export const parseReferencePath = (source: string): ParsedPath => {
  const path = parsePath(source, NAME_CHARACTER)
  const plain = path.steps.every((step) => step.kind === 'name' || step.kind === 'index')
  if (!plain || path.root.kind !== 'data') throw new Error(`'${source}' is not a reference path to the state's data`)
  return path
}

/** A function that gives the document with the value put at the path; objects on the way are made as needed. */
export const compileWrite = (source: string): WritePath => {
  const { steps } = parseReferencePath(source)
  return (document, value) => write(document, value, steps, 0, source)
}

const write = (target: Json | undefined, value: Json, steps: readonly PathStep[], at: number, source: string): Json => {
  const step = steps[at]
  if (step === undefined) return value
  if (step.kind === 'name') {
    if (target !== undefined && !isObject(target)) throw mismatch(source, target)
    const copy = { ...target }
    const inner = target !== undefined && Object.hasOwn(target, step.name) ? target[step.name] : undefined
    setOwn(copy, step.name, write(inner, value, steps, at + 1, source))
    return copy
  }
  if (step.kind !== 'index' || !Array.isArray(target)) throw mismatch(source, target)
  const index = step.index < 0 ? target.length + step.index : step.index
  if (index < 0 || index >= target.length) throw mismatch(source, target)
  const copy = target.slice()
  copy[index] = write(target[index], value, steps, at + 1, source)
  return copy
}

const mismatch = (source: string, target: Json | undefined): EngineError =>
  new EngineError(
    STATES.resultPathMatchFailure,
    `Unable to apply ReferencePath ${source} to input ${JSON.stringify(target ?? null).slice(0, 1000)}`,
  )
