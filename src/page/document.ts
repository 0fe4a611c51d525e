import { createHash } from 'node:crypto';
import { html, Markup } from './markup.js';

/** A page's own script and style, and what stands in its body. */
export interface Page {
  title: string;
  script: string;
  style: string;
  body: Markup;
  /** JSON for the script that is safe in a script element; none when it needs no data. */
  data?: string;
}

/**
 * One page that needs nothing else: no network, no file beside it. The browser runs the page's own
 * script and style only, whatever the names in it contain.
 */
export function wholePage({ title, script, style, body, data }: Page): string {
  const policy = [
    "default-src 'none'",
    `style-src '${hash(style)}'`,
    `script-src '${hash(script)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
${body}
<p role="status" id="said" class="unseen"></p>
${
  data === undefined
    ? null
    : html`<script type="application/json" id="data">${new Markup(data)}</script>
`
}<script>${new Markup(script)}</script>
</body>
</html>
`.text;
}

/** The button that changes between light and dark; the script shows it. */
export const themeButton = new Markup(
  '<button type="button" id="theme" aria-pressed="false" hidden>Dark theme</button>',
);

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
