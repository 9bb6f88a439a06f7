// What a page says while it has nothing to show: that it waits, that there is nothing, what went wrong.
import { html } from '../html.js';
import { enterToken } from './dialogs.js';
import { Shape } from './state.js';

/** Grey lines in the place of what is still asked for. */
export function Loading({ what }) {
  return html`<div class="loading" role="status">
    <span class="unseen">Loading ${what}</span><i /><i /><i />
  </div>`;
}

/** Nothing is there, and why that may be well. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="strong">${title}</p>${children && html`<p>${children}</p>`}</div>`;
}

/** An error, with what can be done about it. */
export function Failed({ error, retry, children }) {
  return html`<div class="failed" role="alert">
    <p class="strong"><${Shape} look="bad" />${title(error.status)}</p>
    <p>${error.message}</p>
    ${children}
    <p class="row">
      ${error.status === 401 && html`<button onClick=${enterToken}>Enter a token</button>`}
      ${retry && html`<button onClick=${retry}>Try again</button>`}
    </p>
  </div>`;
}

function title(status) {
  if (status === 0) return 'Not reachable';
  if (status === 401) return 'Who are you?';
  if (status === 403) return 'Not allowed';
  if (status === 404) return 'Not there';
  return status < 500 ? 'Refused' : 'Failed';
}

/** What `show` makes of an answer; or that it is waited for, or what went wrong. What is old says so. */
export function Answer({ asked, what, show, missing }) {
  const { data, error, reload } = asked;
  if (error?.status === 404 && missing) return missing(error);
  if (data === null && error) return html`<${Failed} error=${error} retry=${reload} />`;
  if (data === null) return html`<${Loading} what=${what} />`;
  return html`
    ${error && html`<p class="stale-note" role="status"><${Shape} look="warn" />${error.message} This is what was known before.</p>`}
    ${show(data)}
  `;
}
