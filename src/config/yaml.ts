// yaml is a CommonJS package: a bundled dynamic import of it has no named exports, a static one has.
export { parseDocument, stringify } from 'yaml';
