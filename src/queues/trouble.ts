/** What goes wrong in a queue; null where it cannot be read. */
export interface Trouble {
  failed_last_hour: number | null;
  /** Active jobs whose lock (BullMQ) or time (pg-boss) has expired. */
  stalled: number | null;
}
