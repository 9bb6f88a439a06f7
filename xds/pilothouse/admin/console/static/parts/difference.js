// Two versions of a thing, line by line: what goes has a minus, what comes has a plus, and each has its colour.
import { useMemo } from 'preact/hooks';
import { html } from '../html.js';
import { ADDED, CHANGED, difference, REMOVED } from '../lines.js';
import { count, number } from '../words.js';

const SHOWN = 400; // so many lines; more would be no answer
const LONGEST = 1000; // characters of a line

/** The lines in which two messages differ, as JSON has them. One of them may be missing. */
export function Messages({ before, after }) {
  const { parts, added, removed } = useMemo(() => difference(lines(before), lines(after)), [before, after]);
  const more = parts.length - SHOWN;
  return html`
    <p class="quiet">${count(added, 'line')} added, ${number(removed)} removed</p>
    <pre class="said lines-of" tabindex="0">${parts.slice(0, SHOWN).map((part) => html`<${Line} of=${part} />`)}</pre>
    ${more > 0 && html`<p class="quiet">and ${count(more, 'more line')}</p>`}
  `;
}

function lines(message) {
  return message ? JSON.stringify(message, null, 2).split('\n') : [];
}

/** One line. The sign is a part of the text, so that it is heard and copied too. */
export function Line({ of: { sign, text, skipped } }) {
  if (skipped) return html`<span class="line skipped">${`  … ${count(skipped, 'line')} as before`}</span>`;
  const said = `${sign} ${text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text}`;
  if (sign === ADDED) return html`<ins class="line">${said}</ins>`;
  if (sign === REMOVED) return html`<del class="line">${said}</del>`;
  return html`<span class="line ${sign === CHANGED ? 'changed' : ''}">${said}</span>`;
}
