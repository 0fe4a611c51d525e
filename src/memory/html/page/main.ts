// The script of the HTML report: bundled into one text at build time (esbuild.page.mjs) and put into the page.

import { byId } from '../../../page/browser/dom.js';
import { theme } from '../../../page/browser/theme.js';
import type { PageData } from '../data.js';
import { explorer } from './explorer.js';
import { readTree } from './groups.js';
import { topKeys } from './keys.js';

const data: PageData = JSON.parse(byId('data').textContent ?? '');
theme();
explorer(readTree(data.nodes));
topKeys(data);
