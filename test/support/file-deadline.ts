/**
 * Preloaded into every test file's process (`node --import`), so it acts on import: ends a file that is still alive long
 * after it began. Node's own --test-timeout bounds each test, but not a server or timer that a finished test left behind.
 */
import { isMainThread } from 'node:worker_threads'

const deadlineMs = Number(process.env.AIDOS_TEST_FILE_TIMEOUT_MS ?? 400_000)

// The runner loads this too; only the processes it starts for the files carry the variable.
if (isMainThread && process.env.NODE_TEST_CONTEXT) {
  setTimeout(() => {
    const held = process.getActiveResourcesInfo().join(', ')
    process.stderr.write(`${process.argv[1]} was still alive after ${deadlineMs} ms; what keeps it so: ${held}\n`)
    process.exit(1)
  }, deadlineMs).unref()
}
