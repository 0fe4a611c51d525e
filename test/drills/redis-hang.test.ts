import { restoresWhateverHappens } from './matrix.js';

const words = {
  breaking: 'letting Redis hang',
  broken: 'Redis hangs',
  mending: 'letting Redis go on',
  deaf: /never reported memory mode/,
};

restoresWhateverHappens('redis-hang by SIGSTOP', { argv: ['redis-hang'], ...words });

restoresWhateverHappens('redis-hang by CLIENT PAUSE, over the connection alone', {
  argv: ['redis-hang', '--max-degrade', '3s'],
  options: { control: 'none' },
  lasts: false,
  ...words,
});
