// What has just happened, from the event stream of the API; without one, the pages ask again every few seconds.
import { ask, token } from './api.js';
import { reader } from './events.js';
import { store } from './store.js';

const POLL_MS = 5000;
const SILENT_MS = 40000; // the server says something every 15 s
const HIDDEN_MS = 60000; // a page that nobody sees frees its place: there are few
const AGAIN_MS = 30000; // when to look for a stream that was refused
const FIRST_MS = 500;
const MOST_MS = 15000;

/** `connecting`, `live`, `polling` (there is no stream, so pages ask again) or `reconnecting`. */
export const state = store('connecting');

const followers = new Set();

/** Call `heard(kind, data)` for events of these kinds, and `heard('reset')` when anything may have changed. */
export function follow(kinds, heard) {
  const follower = { kinds: new Set(kinds), heard };
  followers.add(follower);
  return () => followers.delete(follower);
}

function tell(kind, data) {
  for (const { kinds, heard } of [...followers]) if (kind === 'reset' || kinds.has(kind)) heard(kind, data);
}

/** Ask all pages to ask again. */
export function refresh() {
  tell('reset');
}

let last = ''; // the id of the last event
let stream = null;

/** Follow the stream for as long as the page lives. */
export async function start() {
  document.addEventListener('visibilitychange', onVisibility);
  token.follow(() => stream?.abort());
  setInterval(() => state.get() !== 'live' && !document.hidden && refresh(), POLL_MS);
  for (let wait = FIRST_MS; ; wait = Math.min(2 * wait, MOST_MS)) {
    await visible();
    const heard = await read();
    if (heard) wait = FIRST_MS;
    await pause(state.get() === 'polling' ? AGAIN_MS : wait);
  }
}

/** Read one stream to its end. Returns whether there was one. */
async function read() {
  stream = new AbortController();
  const { signal } = stream;
  let alarm;
  const awake = () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => stream.abort(), SILENT_MS);
  };
  try {
    awake();
    const answer = await ask('events', { signal, headers: last ? { 'last-event-id': last } : {} });
    if (state.get() !== 'connecting' && !last) refresh();
    state.set('live');
    const parse = reader();
    const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      awake();
      parse(piece.value).forEach(receive);
    }
    state.set('reconnecting');
    return true;
  } catch (error) {
    const had = state.get() === 'live';
    state.set(error.status > 0 ? 'polling' : 'reconnecting');
    return had;
  } finally {
    clearTimeout(alarm);
  }
}

function receive({ kind, id, data }) {
  if (id !== undefined) last = id;
  if (kind === 'reset') refresh();
  else tell(kind, JSON.parse(data));
}

let hidden;

function onVisibility() {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(() => stream?.abort(), HIDDEN_MS);
  else if (state.get() !== 'live') refresh();
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
}

function pause(ms) {
  return new Promise((resolve) => {
    const stop = token.follow(done);
    const timer = setTimeout(done, ms);
    function done() {
      stop();
      clearTimeout(timer);
      resolve();
    }
  });
}
