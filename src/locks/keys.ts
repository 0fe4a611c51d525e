/** The name of a lock or execution from its key: what follows `before`, without the hash tag. */
export function nameOf(key: string, before: string): string {
  return key.slice(before.length).replace(/^([^{}]*)\{([^{}]*)\}$/, '$1$2');
}
