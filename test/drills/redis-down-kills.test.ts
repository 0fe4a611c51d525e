import { restoresWhateverHappens } from './matrix.js';

restoresWhateverHappens('redis-down', {
  argv: ['redis-down'],
  breaking: 'stopping Redis',
  broken: 'Redis is stopped',
  mending: 'starting Redis again',
});
