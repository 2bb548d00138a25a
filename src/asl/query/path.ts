/** Paths as expressions: a parsed path together with where it starts (the data, the context object, a variable). */
import type { Json } from '../../platform/json.ts'
import { type AslError, runtimeError } from '../errors.ts'
import { compileSteps } from '../json-path/evaluate.ts'
import { parsePath } from '../json-path/parse.ts'
import type { ParsedPath, PathStep } from '../json-path/path.ts'
import type { Focus } from './focus.ts'

/** The value, or `undefined` when a definite path leads nowhere. */
export type LookUp = (focus: Focus) => Json | undefined

export const compileLookUp = (path: ParsedPath, pastEnd?: null): LookUp => {
  const find = compileSteps(path.steps, path.definite, pastEnd)
  const { root } = path
  if (root.kind === 'data') return (focus) => find(focus.data)
  if (root.kind === 'context') return (focus) => find(focus.around.context())
  return (focus) => {
    const value = focus.around.variable(root.name)
    return value === undefined ? undefined : find(value)
  }
}

/** As a look-up outside of templates: there the service fails for a path into data that is `null` as a whole, `$` included. */
export const compileStrictLookUp = (path: ParsedPath): LookUp => {
  const lookUp = compileLookUp(path)
  if (path.root.kind !== 'data') return lookUp
  return (focus) => {
    if (focus.data === null) throw runtimeError('Unable to apply Path transformation to null or empty input.')
    return lookUp(focus)
  }
}

/** A path that must lead somewhere, as in `InputPath`, `SecondsPath` or `ItemsPath`. */
export const compilePath = (source: string): ((focus: Focus) => Json) => {
  const path = parsePath(source)
  const lookUp = compileStrictLookUp(path)
  return (focus) => {
    const value = lookUp(focus)
    if (value === undefined) throw noResults(path)
    return value
  }
}

const noResults = (path: ParsedPath): AslError => {
  if (path.root.kind === 'variable' && path.steps.length === 0) {
    return runtimeError(`The variable '${path.source}' has not been assigned.`)
  }
  return runtimeError(`Invalid path '${path.source}' : No results for path: $${path.steps.map(bracketed).join('')}`)
}

const bracketed = (step: PathStep): string => {
  if (step.kind === 'name') return `['${step.name}']`
  return step.kind === 'index' ? `[${step.index}]` : '[*]'
}
