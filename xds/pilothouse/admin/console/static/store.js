// A value that several parts of the page read, and that tells them when it changes.
import { useEffect, useState } from 'preact/hooks';

export function store(value) {
  const readers = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const reader of [...readers]) reader(value);
    },
    /** Call `reader` after each change; returns how to stop that. */
    follow(reader) {
      readers.add(reader);
      return () => readers.delete(reader);
    },
  };
}

/** The value of a store; the component renders again when it changes. */
export function useStore(from) {
  const [value, set] = useState(from.get());
  useEffect(() => {
    set(from.get());
    return from.follow(set);
  }, [from]);
  return value;
}
