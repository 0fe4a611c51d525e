/** The same items; the next one is begun while the last one is worked on. */
export async function* ahead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = source.next();
      // It is awaited in the next turn, if there is one.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await source.return(undefined);
  }
}
