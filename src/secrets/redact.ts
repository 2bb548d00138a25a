/** Takes secrets out of what a service sends back, for services that repeat what they were sent. */

/** Shorter values would be found in ordinary text. */
const SHORTEST = 6

const spellings = (value: string): string[] => [
  value,
  JSON.stringify(value).slice(1, -1),
  encodeURIComponent(value),
  Buffer.from(value).toString('base64'),
  Buffer.from(value).toString('base64url'),
]

/** A function that puts `(secret)` wherever one of the values stands: as it is, escaped, percent-encoded or in base64. */
export const makeRedact = (values: readonly string[]): ((text: string) => string) => {
  const long = values.filter((value) => value.length >= SHORTEST)
  const all = [...new Set(long.flatMap(spellings))].sort((a, b) => b.length - a.length)
  return (text) => all.reduce((rest, spelling) => rest.replaceAll(spelling, '(secret)'), text)
}
