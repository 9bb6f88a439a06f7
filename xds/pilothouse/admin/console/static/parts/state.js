// A state by its colour, its shape and its name, so that no one of them is needed to tell it.
import { html } from '../html.js';
import { look, MEANINGS } from '../words.js';

const SHAPES = {
  good: html`<circle cx="6" cy="6" r="4.5" /><path class="cut" d="M3.8 6.1l1.6 1.6 2.9-3.2" />`,
  busy: html`<circle class="ring" cx="6" cy="6" r="4" /><path d="M6 2a4 4 0 0 1 0 8z" />`,
  warn: html`<path d="M6 .8l5.4 10.2H.6z" />`,
  bad: html`<path d="M3.5 .8h5l2.7 2.7v5L8.5 11.2h-5L.8 8.5v-5z" /><path class="cut" d="M4 4l4 4M8 4L4 8" />`,
  idle: html`<circle class="ring" cx="6" cy="6" r="4" />`,
  gone: html`<path class="ring" d="M2 6h8" />`,
};

/** The shape alone, for where the name is beside it. */
export function Shape({ look: kind }) {
  return html`<svg class="shape ${kind}" viewBox="0 0 12 12" aria-hidden="true">${SHAPES[kind]}</svg>`;
}

/** A state that the API names, or `text` with a look. */
export function State({ state, look: kind = look(state), text = state }) {
  return html`<span class="state ${kind}" title=${MEANINGS[state]}><${Shape} look=${kind} />${text}</span>`;
}
