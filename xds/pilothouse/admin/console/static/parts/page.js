// What all pages are made of.
import { html } from '../html.js';

const NAMED = 10; // so many things with the same reason are named

/** A page with its title, what is beside the title, and a sentence below it. */
export function Page({ title, beside, lead, children }) {
  return html`
    <div class="head">
      <h1 id="title" tabindex="-1" title=${title}>${title}</h1>
      <div class="row">${beside}</div>
      ${lead && html`<p class="lead">${lead}</p>`}
    </div>
    ${children}
  `;
}

/** A part of a page under a heading. */
export function Section({ title, beside, children }) {
  return html`<section aria-label=${title}>
    <div class="section-head"><h2>${title}</h2>${beside && html`<div class="row">${beside}</div>`}</div>
    ${children}
  </section>`;
}

/** Pairs of a name and a value. Those without a value are left out, and a list has a line for each of its items. */
export function Facts({ of }) {
  return html`<dl class="facts">
    ${of.map(([name, value]) => {
      if (value === undefined || value === null || value === false || value === '' || value.length === 0) return null;
      const lines = Array.isArray(value) ? value : [value];
      return html`<div><dt>${name}</dt>${lines.map((line) => html`<dd>${line}</dd>`)}</div>`;
    })}
  </dl>`;
}

/** A reason with its code, and what it is about. */
export function Why({ why }) {
  return html`<span class="why"
    ><code>${why.code}</code> ${why.words}${why.about && html` <span class="quiet">(${why.about})</span>`}</span
  >`;
}

/** Reasons. What has the same one is together. */
export function Whys({ of }) {
  const together = new Map();
  for (const why of of) {
    const key = `${why.code} ${why.words}`;
    together.set(key, [...(together.get(key) ?? []), why]);
  }
  return html`<ul class="whys">
    ${[...together.values()].map((all) => html`<li><${Why} why=${{ ...all[0], about: some(all.map(({ about }) => about)) }} /></li>`)}
  </ul>`;
}

function some(names) {
  const known = names.filter(Boolean);
  const more = known.length - NAMED;
  return known.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** A text that is cut where there is no room, with the whole one for whoever points at it. */
export function Cut({ text, href }) {
  return href ? html`<a class="cut" href=${href} title=${text}>${text}</a>` : html`<span class="cut" title=${text}>${text}</span>`;
}

/** Where something is declared. If there is no room, its end is what stays. */
export function Place({ of }) {
  return html`<span class="cut start" title=${of}><bdi>${of}</bdi></span>`;
}

/** A field that narrows a list down. */
export function Search({ label, value, onInput }) {
  return html`<input
    class="search"
    type="search"
    aria-label=${label}
    placeholder=${label}
    value=${value}
    onInput=${(event) => onInput(event.target.value)}
  />`;
}

/** One of several views. */
export function Choice({ label, options, value, onChange }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(
      ([key, text]) =>
        html`<button type="button" aria-pressed=${String(key === value)} onClick=${() => onChange(key)}>${text}</button>`,
    )}
  </div>`;
}
