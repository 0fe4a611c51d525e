import { restoresWhateverHappens } from './matrix.js';

const options = { control: 'none' } as const;

restoresWhateverHappens('redis-latency', {
  argv: ['redis-latency'],
  breaking: 'delaying Redis',
  broken: 'Redis answers late',
  mending: 'ending the delay',
  options,
  deaf: /requests failed \(write: answered 500\)/,
});

restoresWhateverHappens('redis-reset', {
  argv: ['redis-reset'],
  breaking: 'resetting connections to Redis',
  broken: 'connections to Redis are reset',
  mending: 'letting connections be',
  options,
  deaf: /never reported memory mode/,
});

restoresWhateverHappens('redis-blackhole', {
  argv: ['redis-blackhole'],
  breaking: 'cutting Redis off',
  broken: 'Redis is cut off',
  mending: 'letting Redis be reached again',
  options,
  deaf: /never reported memory mode/,
});
