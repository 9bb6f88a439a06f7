// Addresses of pages: `#/services/shop/cart`, `#/explain?name=cart`. Names in them may be anything.
import { store } from './store.js';

/** The page that is shown: the parts of its address, and its query as an object. */
export const route = store(parse(location.hash));

addEventListener('hashchange', () => route.set(parse(location.hash)));

export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  return {
    parts: path.split('/').filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody typed a `%`
  }
}

/** The address of a page. A last argument that is an object is the query; what is empty in it is left out. */
export function link(...parts) {
  const query = typeof parts.at(-1) === 'object' ? search(parts.pop()) : '';
  return '#/' + parts.map(encodeURIComponent).join('/') + query;
}

/** A query with its question mark, or nothing if it is empty. */
export function search(query) {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return said.length ? '?' + new URLSearchParams(said) : '';
}

/** The page of a service that is named NAMESPACE/NAME. */
export function serviceLink(name) {
  return link('services', ...name.split('/'));
}

/** Go to a page. */
export function go(address) {
  location.hash = address;
}

/** Change the address of the page that is shown, without a step in the history. */
export function replace(address) {
  history.replaceState(null, '', address);
  route.set(parse(address));
}
