// What a component shows of the API: asked once, and again when an event says that it may have changed.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { get } from './api.js';
import { follow } from './live.js';
import { search } from './router.js';

const AGAIN_MS = 1000; // many events are one question
const REST = 10; // what took long is asked again after ten times as long, so that it is no burden
const PAGE = 500;
const NOTHING = { data: null, error: null };

/**
 * The answer of a page: `{ data, error, reload }`. Both are null while it is asked for the first time. An error
 * does not take away what was known before. `kinds` are the events after which it is asked again.
 */
export function usePage(page, query = {}, kinds = []) {
  const address = page + search(query);
  const ask = useCallback((signal) => get(page, query, signal), [address]);
  return useAsked(address, address, ask, kinds);
}

/**
 * The items of a list, as far as they are wanted: `{ items, next, more, error, data, reload }`. `more()` asks for
 * the next page of it.
 */
export function useList(page, query = {}, kinds = []) {
  const address = page + search(query);
  const wanted = useRef(1);
  const [growing, setGrowing] = useState(false);
  useMemo(() => (wanted.current = 1), [address]);
  const known = useRef(null);
  const ask = useCallback(async (signal) => {
    return (known.current = await pages(page, query, wanted.current, known.current, signal));
  }, [address]);
  const { data, error, reload } = useAsked(page, address, ask, kinds);
  const more = useCallback(async () => {
    wanted.current += 1;
    setGrowing(true);
    await reload();
    setGrowing(false);
  }, [reload]);
  return { items: data?.items ?? [], next: data?.next, more, growing, data, error, reload };
}

/** The first pages of a list, joined. It is the same object as before if no page has changed. */
async function pages(page, query, count, before, signal) {
  const bodies = [];
  do {
    bodies.push(await get(page, { limit: PAGE, ...query, after: bodies.at(-1)?.next }, signal));
  } while (bodies.length < count && bodies.at(-1).next);
  const same = before?.bodies.length === bodies.length && bodies.every((body, at) => body === before.bodies[at]);
  return same ? before : { bodies, items: bodies.flatMap((body) => body.items), next: bodies.at(-1).next };
}

/** `about` is what an answer is about: what was said about something else is not shown in its place. */
function useAsked(about, address, ask, kinds) {
  const [said, setSaid] = useState({ about, ...NOTHING });
  const running = useRef(null);
  const took = useRef(0);
  const reload = useCallback(async () => {
    running.current?.abort();
    const request = (running.current = new AbortController());
    const begun = performance.now();
    try {
      const data = await ask(request.signal);
      took.current = performance.now() - begun;
      setSaid((before) => (before.about === about && before.data === data && !before.error ? before : { about, data, error: null }));
    } catch (error) {
      if (error.name !== 'AbortError') setSaid((before) => ({ ...current(before, about), error }));
    }
  }, [about, address, ask]);
  useEffect(() => {
    reload();
    let timer = null;
    const later = () => {
      timer ??= setTimeout(() => {
        timer = null;
        reload();
      }, Math.max(AGAIN_MS, REST * took.current));
    };
    const stop = follow(kinds, (kind) => (kind === 'reset' ? reload() : later()));
    return () => {
      stop();
      clearTimeout(timer);
      running.current?.abort();
    };
  }, [reload]);
  return { ...current(said, about), reload };
}

function current(said, about) {
  return said.about === about ? said : { about, ...NOTHING };
}
