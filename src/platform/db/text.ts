/** Texts as a column can hold them. */

/** PostgreSQL keeps no NUL in a text, and receivers and code of users can send one. */
export const withoutNul = (text: string): string => text.replaceAll('\u0000', '')
