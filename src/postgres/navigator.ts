/**
 * pg asks whether it runs at Cloudflare: `navigator` would say it, and where there is none, on Node 20,
 * `Response` is tried, which loads all of fetch (25 ms at every start). Later versions of Node have one.
 */
if (!('navigator' in globalThis)) {
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: 'Node.js/20' },
    configurable: true,
  });
}
