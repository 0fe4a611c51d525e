import { printable } from '../../words.js';

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | null>;

/**
 * An element. Strings become text nodes and plain attributes, never markup, and what would not be
 * seen in them (control characters, marks of direction) is shown as an escape.
 */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, '');
    else if (value !== null && value !== false)
      element.setAttribute(name, printable(String(value)));
  }
  element.append(
    ...children
      .filter((child) => child !== null)
      .map((child) => (typeof child === 'string' ? printable(child) : child)),
  );
  return element;
}

/** The name of a key or a group, apart from the direction of the text around it. */
export function nameOf(text: string): HTMLElement {
  return el('bdi', { class: 'name' }, text);
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id}`);
  return element;
}

/** Says it to those who do not see the page change. */
export function say(text: string): void {
  byId('said').textContent = printable(text);
}

/** A share of 0 to 1 as a bar. */
export function bar(share: number): SVGElement {
  const svg = svgElement('svg', {
    class: 'bar',
    viewBox: '0 0 100 8',
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  svg.append(svgElement('rect', { class: 'track', width: '100', height: '8' }));
  const width = String(Math.round(Math.min(1, Math.max(0, share)) * 1_000) / 10);
  svg.append(svgElement('rect', { class: 'fill', width, height: '8' }));
  return svg;
}

function svgElement(tag: 'svg' | 'rect', attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
