/** What a table shows unless flags say otherwise; the rest is counted. Here, so that help loads nothing else. */

/** Levels of the tree, and of the largest keys so many. */
export const DETAIL = { depth: 3, top: 20 };

/** So many lines of each list of a comparison. */
export const MOST_CHANGES = 20;
