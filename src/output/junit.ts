import reports, { type Builder } from 'junit-report-builder';

/** One check; `failure` is why it failed, `ms` how long it took; a skipped one was not made. */
export interface JUnitCase {
  name: string;
  group: string;
  ms?: number;
  failure?: string | undefined;
  skipped?: boolean;
}

/** A JUnit XML report of one suite. */
export function junit(suite: string, cases: readonly JUnitCase[]): string {
  // Its types promise a `default` inside; what it exports is the builder itself.
  const builder = (reports as unknown as Builder).newBuilder();
  const report = builder.testSuite().name(suite);
  for (const { name, group, ms = 0, failure, skipped } of cases) {
    const test = report
      .testCase()
      .className(group)
      .name(name)
      .time(ms / 1_000);
    if (failure !== undefined) test.failure(failure);
    if (skipped) test.skipped();
  }
  return builder.build();
}
