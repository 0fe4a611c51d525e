import { CASES } from './cases.js';
import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens(CASES.stutter);
restoresWhateverHappens(CASES.sever);
restoresWhateverHappens(CASES.pauseForHole);
