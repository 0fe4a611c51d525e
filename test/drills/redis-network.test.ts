import { CASES } from './cases.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.latency);
restoresWhateverHappens(CASES.reset);
restoresWhateverHappens(CASES.blackhole);
