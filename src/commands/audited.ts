import type { Context } from '../context.js';
import { messageOf } from '../errors.js';
import { say } from '../output/emit.js';
import { type AuditEntry, audit } from '../state/audit.js';

/** The change has been made whether or not the audit log takes its line: a full disk is said, not thrown. */
export function audited(context: Context, entry: AuditEntry): void {
  try {
    audit(context, entry);
  } catch (error) {
    say(context, `the audit log has no line of this: ${messageOf(error)}`);
  }
}
