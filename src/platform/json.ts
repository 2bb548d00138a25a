/** JSON values as the system passes them between its parts. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }
/** A JSON Schema (2020-12) document. */
export type JsonSchema = { readonly [key: string]: unknown }
