/** Does a thing `count` times, `width` of them under way at a time. */
export const inFlight = async (
  count: number,
  width: number,
  one: (index: number) => Promise<unknown>,
): Promise<void> => {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
}
