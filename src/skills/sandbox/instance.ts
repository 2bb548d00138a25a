/** Makes instances of QuickJS: WebAssembly with a memory of its own, which cannot grow past its limit. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import baseVariant from '@jitl/quickjs-wasmfile-release-sync'
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from 'quickjs-emscripten-core'

const PAGE_BYTES = 65_536
/** What this build of QuickJS demands at least. */
const LEAST_PAGES = 256
/** The most that 32 bits of signed address reach. */
const MOST_PAGES = 32_768
/** What the interpreter takes for itself: its stack, its tables, a fresh context. */
const OVERHEAD_BYTES = 6 * 1024 * 1024

// TypeScript has WebAssembly only among the browser's types.
interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<object>
  readonly Memory: new (pages: { initial: number; maximum: number }) => object
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi }

export type MakeInstance = (memoryBytes: number) => Promise<QuickJSWASMModule>

/**
 * Compiles the interpreter once. The limit is put on the memory as a whole: QuickJS's own limit counts, in this build, only
 * the size of each single allocation and not their sum.
 */
export const makeInstances = async (): Promise<MakeInstance> => {
  const wasmPath = fileURLToPath(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))
  const wasmModule = await WebAssembly.compile(await readFile(wasmPath))
  return (memoryBytes) => {
    const pages = Math.ceil((memoryBytes + OVERHEAD_BYTES) / PAGE_BYTES)
    const maximum = Math.min(Math.max(pages, LEAST_PAGES), MOST_PAGES)
    const wasmMemory = new WebAssembly.Memory({ initial: LEAST_PAGES, maximum })
    // The types take the variant for its CommonJS twin.
    return newQuickJSWASMModuleFromVariant(
      newVariant(baseVariant as unknown as QuickJSSyncVariant, { wasmModule, wasmMemory }),
    )
  }
}
