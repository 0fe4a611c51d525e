import { CASES } from './cases.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.postgres);
