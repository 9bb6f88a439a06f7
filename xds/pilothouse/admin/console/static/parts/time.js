// Times as ages that keep up with the clock. Whoever points at one sees the time itself.
import { html } from '../html.js';
import { store, useStore } from '../store.js';
import { absolute, remaining, span } from '../words.js';

const now = store(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), 1000);

/** How long ago something was: `3m ago`; with `bare`, `3m`. A dash if it is unknown. */
export function Ago({ at, bare = false }) {
  const seconds = (useStore(now) - Date.parse(at)) / 1000;
  if (!at) return html`<span class="quiet">–</span>`;
  return html`<time datetime=${at} title=${absolute(at)}>${span(seconds)}${bare ? '' : ' ago'}</time>`;
}

/** How long it is until something. */
export function Until({ at }) {
  const seconds = (Date.parse(at) - useStore(now)) / 1000;
  return html`<time datetime=${at} title=${absolute(at)}>${seconds > 0 ? `in ${remaining(seconds)}` : 'now'}</time>`;
}
