/** What a parsed path consists of. */
import type { Json } from '../../platform/json.ts'
import type { Pattern } from './pattern.ts'

export type PathStep =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'indexes'; readonly indexes: readonly number[] }
  | { readonly kind: 'slice'; readonly from: number | undefined; readonly to: number | undefined }
  | { readonly kind: 'wildcard' }
  | { readonly kind: 'scan' }
  | { readonly kind: 'filter'; readonly test: Filter }
  | { readonly kind: 'function'; readonly name: PathFunction }

export type PathFunction = 'length' | 'size' | 'min' | 'max' | 'avg' | 'sum' | 'stddev' | 'keys' | 'first' | 'last'

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly inner: Filter }
  | { readonly kind: 'exists'; readonly path: FilterPath }
  | { readonly kind: 'compare'; readonly operator: string; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'matches'; readonly operand: Operand; readonly pattern: Pattern }

export type Operand = { readonly literal: Json } | { readonly path: FilterPath }
export interface FilterPath {
  /** `@` is the item under test, `$` the whole document. */
  readonly root: '@' | '$'
  readonly steps: readonly PathStep[]
}

/** Where a path starts: the state's data, the context object, or a variable. */
export type PathRoot =
  | { readonly kind: 'data' }
  | { readonly kind: 'context' }
  | { readonly kind: 'variable'; readonly name: string }

export interface ParsedPath {
  readonly source: string
  readonly root: PathRoot
  readonly steps: readonly PathStep[]
  /** A definite path names at most one place; it fails when that is missing. Any other gives a list, perhaps an empty one. */
  readonly definite: boolean
}
