// yaml is a CommonJS package: a bundled dynamic import of it has no named exports, a static one has.
export { isAlias, isMap, isSeq, LineCounter, parseDocument, stringify } from 'yaml';
