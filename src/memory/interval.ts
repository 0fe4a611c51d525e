/** Of a sample of independent keys: how many were seen, the sum of their bytes and of the squares. */
export interface Seen {
  keys: number;
  bytes: number;
  squares: number;
}

export interface Between {
  low: number;
  high: number;
}

/** 97.5 % of a normal distribution are below it: 95 % are between it and its negative. */
const Z = 1.959964;
/** Of fewer keys one cannot tell what sizes the others have: a group of 60 big ones was off by 133 %. */
const FEWEST_FOR_BYTES = 30;

/**
 * How many keys there are, with a probability of 95 %, when a share `part` of all was looked at.
 * A key was seen with that probability, so that the number seen is binomial; exact limits (those of
 * Garwood for the Poisson distribution, by Wilson and Hilferty) where there are few, which is wider.
 */
export function keysBetween({ keys }: Pick<Seen, 'keys'>, part: number): Between {
  // Finite population: what was looked at is known. It narrows the limits by sqrt(1 - part).
  const narrower = Math.sqrt(1 - part);
  const low = keys - (keys - poissonLimit(keys, -Z)) * narrower;
  const high = keys + (poissonLimit(keys + 1, Z) - keys) * narrower;
  return {
    low: Math.max(keys, Math.floor(low / part)),
    high: Math.ceil(high / part),
  };
}

/**
 * How many bytes there are, likewise; undefined when too few keys were seen to say. The variance of a
 * Horvitz-Thompson estimate of a Bernoulli sample is (1 - part) / part^2 times the sum of the squares.
 * Sizes are skewed and never negative: the limits are those of the logarithm, wider above than below,
 * and Student's where few large keys make up the group.
 */
export function bytesBetween({ keys, bytes, squares }: Seen, part: number): Between | undefined {
  if (keys < FEWEST_FOR_BYTES || bytes === 0) return undefined;
  const relative = Math.sqrt((1 - part) * squares) / bytes;
  /** As many keys of equal size would say as much. */
  const effective = Math.max(2, bytes ** 2 / squares);
  const factor = Math.exp(relative * student(effective - 1));
  return {
    low: Math.max(bytes, Math.floor(bytes / part / factor)),
    high: Math.ceil((bytes / part) * factor),
  };
}

/** Student's quantile by the first terms of its expansion around the normal one (Fisher and Cornish). */
function student(freedom: number): number {
  return (
    Z + (Z ** 3 + Z) / (4 * freedom) + (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2)
  );
}

function poissonLimit(keys: number, z: number): number {
  return keys === 0 ? 0 : keys * (1 - 1 / (9 * keys) + z / (3 * Math.sqrt(keys))) ** 3;
}
