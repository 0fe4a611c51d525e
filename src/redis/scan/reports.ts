import type { ScanHooks, ScanPosition, ScanProgress } from './types.js';

/** Milliseconds. */
const PROGRESS_EVERY = 250;
const POSITION_EVERY = 1_000;

/** Tells now and then how far a scan has come. */
export class Reports {
  #progressed = performance.now();
  #keys = 0;
  #positioned = performance.now();

  constructor(private readonly hooks: ScanHooks) {}

  progress(take: () => Omit<ScanProgress, 'rate'>): void {
    const now = performance.now();
    const since = now - this.#progressed;
    if (!this.hooks.progress || since < PROGRESS_EVERY) return;
    const progress = take();
    const rate = ((progress.keys - this.#keys) * 1_000) / since;
    [this.#progressed, this.#keys] = [now, progress.keys];
    this.hooks.progress({ ...progress, rate });
  }

  position(take: () => ScanPosition | null): void {
    const now = performance.now();
    if (!this.hooks.position || now - this.#positioned < POSITION_EVERY) return;
    this.#positioned = now;
    const position = take();
    if (position) this.hooks.position(position);
  }
}
