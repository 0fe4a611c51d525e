import { CASES } from '../drills/cases.js';
import { restoresWhateverHappens } from '../drills/matrix.js';

// Every drill, and -9 to the command line, to its watchdog and to both, in each phase.
for (const test of Object.values(CASES)) restoresWhateverHappens(test, { thorough: true });
