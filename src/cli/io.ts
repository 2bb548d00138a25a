/** What a command is given of the outside: streams, the environment, the folder, and word of when to stop. */

export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** Of a terminal when it has `setRawMode`. */
export interface Input extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean | undefined
  /** Keys come as they are typed, and are not shown. */
  setRawMode?(isRaw: boolean): unknown
}

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
  readonly stdin: Input
  /**
   * Aborted when the process was asked to stop; without `outlivesReader` also when nobody reads its output any more. Asked for late, so
   * that a command that does not ask ends at once.
   */
  stopSignal(options?: { readonly outlivesReader?: boolean }): AbortSignal
  /** Ends the process now, whatever it still waits for. */
  exit(status: number): void
}

/** The io of a process: `makeProcessIo(process)`. */
export const makeProcessIo = (host: NodeJS.Process): Io => {
  let stop: AbortController | undefined
  let needsReader = true
  // Who reads no further (head, less) has enough, and that is no fault.
  host.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    if (stop === undefined) host.exit(0)
    else if (needsReader) stop.abort(error)
  })
  return {
    env: host.env,
    stdout: host.stdout,
    stderr: host.stderr,
    stdin: host.stdin,
    exit: (status) => host.exit(status),
    stopSignal({ outlivesReader = false } = {}) {
      needsReader = !outlivesReader
      if (stop) return stop.signal
      const controller = new AbortController()
      stop = controller
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        // Only the first: the second ends the process in the usual way.
        host.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)))
      }
      return controller.signal
    },
  }
}
