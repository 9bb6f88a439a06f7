// Asks the API. Answers are remembered by their ETag, so that one that is the same costs no transfer and no rendering.
import { search } from './router.js';
import { store } from './store.js';

const BASE = new URL('../api/v1/', document.baseURI);
const KEY = 'pilothouse-token';
const REMEMBERED = 200;
const answers = new Map();

/** The bearer token, if one was entered. It lives as long as the tab. */
export const token = store(sessionStorage.getItem(KEY) ?? '');
token.follow((value) => {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  answers.clear();
});

/** Whether something answered the last request. */
export const reachable = store(true);

/** What the API refuses, in its own words. `status` is 0 if nothing answered. */
export class Refused extends Error {
  constructor(status, text, near = []) {
    super(text);
    this.status = status;
    this.near = near;
  }
}

/** A path below the API, of parts that may contain anything. */
export function path(...parts) {
  return parts.map(encodeURIComponent).join('/');
}

/** The answer of a page. It is the same object as before if nothing has changed. Raises Refused. */
export async function get(page, query = {}, signal = undefined) {
  const address = page + search(query);
  const known = answers.get(address);
  const answer = await ask(address, { signal, headers: known ? { 'if-none-match': known.tag } : {} });
  if (answer.status === 304) return known.body;
  const body = await answer.json();
  remember(address, { tag: answer.headers.get('etag'), body });
  return body;
}

function remember(address, answer) {
  answers.delete(address);
  if (answer.tag) answers.set(address, answer);
  if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
}

/** Tell a page something: an order, or a question that needs a text. Returns what it answers. Raises Refused. */
export async function post(page, body, signal = undefined) {
  const answer = await ask(page, {
    signal,
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** A request with the token. Raises Refused for every answer that is no success. */
export async function ask(address, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  let answer;
  try {
    answer = await fetch(new URL(address, BASE), { cache: 'no-store', ...options, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    reachable.set(false);
    throw new Refused(0, 'The control plane does not answer.');
  }
  reachable.set(true);
  if (answer.ok || answer.status === 304) return answer;
  throw await refusal(answer);
}

async function refusal(answer) {
  const said = await answer.json().catch(() => ({}));
  return new Refused(answer.status, said.error ?? `The control plane answers with status ${answer.status}.`, said.near);
}
