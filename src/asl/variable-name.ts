/** Names of workflow variables: identifiers of Unicode, which may also begin with an underscore. */

export const VARIABLE_START = /[\p{ID_Start}_]/u
export const VARIABLE_PART = /\p{ID_Continue}/u

const VARIABLE_NAME = /^[\p{ID_Start}_]\p{ID_Continue}*$/u
const LONGEST_NAME = 80

export const isVariableName = (name: string): boolean => VARIABLE_NAME.test(name) && [...name].length <= LONGEST_NAME
