import manifest from '../package.json' with { type: 'json' };

/** The package's version, written into the bundle when it is built. */
export const VERSION: string = manifest.version;
