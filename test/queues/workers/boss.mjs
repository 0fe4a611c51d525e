const PACKAGES = {
  9: 'pg-boss9',
  10: 'pg-boss',
  11: 'pg-boss11',
  '12a': 'pg-boss12a',
  12: 'pg-boss12',
};

/** A pg-boss of a generation: 9 to 11 export the class itself, 12 by its name. */
export async function openBoss(version, options) {
  const found = await import(PACKAGES[version]);
  const PgBoss = found.PgBoss ?? found.default;
  return new PgBoss(options);
}
