/** Reads the routes of the API out of its own OpenAPI document. */

export interface Schema {
  readonly [keyword: string]: unknown
}

export interface Parameter {
  readonly name: string
  readonly in: string
  readonly schema: Schema
}

export interface Route {
  readonly method: string
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly body: Schema | undefined
  /** What a key needs; undefined on a public route. */
  readonly permission: string | undefined
  readonly isPublic: boolean
  /** Answers may be held back: a stream, or a wait that the caller asked for. */
  readonly mayWait: boolean
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly security?: readonly unknown[]
  readonly 'x-permission'?: string
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

export const routesOf = (document: Document): Route[] =>
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      parameters: operation.parameters ?? [],
      body: operation.requestBody?.content['application/json']?.schema,
      permission: operation['x-permission'],
      isPublic: operation.security?.length === 0,
      mayWait: path.endsWith('/stream') || (operation.parameters ?? []).some(({ name }) => name === 'wait'),
    })),
  )

/** References of the document that lead nowhere. */
export const danglingRefs = (document: Document): string[] => {
  const all = JSON.stringify(document).match(/"\$ref":"[^"]+"/g) ?? []
  const known = document.components?.schemas ?? {}
  const names = all.map((ref) => ref.slice('"$ref":"'.length, -1))
  return [...new Set(names)].filter((ref) => !(ref.replace('#/components/schemas/', '') in known))
}
