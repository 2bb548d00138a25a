/** Which variables an expression reads, so that only those need to be handed to it. */

/** A superset: parameters of functions inside the expression are among them. */
export const collectVariables = (ast: unknown): ReadonlySet<string> => {
  const names = new Set<string>()
  const open: unknown[] = [ast]
  const seen = new Set<object>()
  while (open.length > 0) {
    const node = open.pop()
    if (typeof node !== 'object' || node === null || seen.has(node)) continue
    seen.add(node)
    const { type, value } = node as { type?: unknown; value?: unknown }
    if (type === 'variable' && typeof value === 'string' && value !== '' && value !== '$') names.add(value)
    open.push(...Object.values(node))
  }
  return names
}
