// The proxies, and how far each is.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { follow } from '../live.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Cut, Page, Search } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { link, replace } from '../router.js';
import { count } from '../words.js';

const TOGETHER_MS = 250; // many proxies change at once
const COLUMNS = [
  { name: 'Node', cell: (row) => html`${row.node ? html`<${Cut} text=${row.node} href=${link('proxies', row.node)} />` : html`<span class="quiet">no node id</span>`}` },
  { name: 'State', width: '112px', cell: (row) => html`<${State} state=${row.state} />` },
  { name: 'For', width: '64px', numeric: true, cell: (row) => html`<${Ago} at=${row.gone ?? row.connected} bare />` },
  { name: 'Namespace', width: '12%', wide: true, cell: (row) => row.namespace || '–' },
  { name: 'Not synced', width: '15%', wide: true, cell: (row) => behind(row) || '–' },
  { name: 'Protocol', width: '84px', wide: true, cell: (row) => row.variant },
  { name: 'Peer, or why it is away', width: '18%', wide: true, cell: (row) => row.reason ?? row.peer },
];
const VIEWS = [
  ['', 'All'],
  ['behind', 'Behind'],
  ['GONE', 'Gone'],
  ['REFUSED', 'Refused'],
];
const BEHIND = new Set(['REFUSED', 'STALE', 'NACKED', 'SENDING']);

function behind({ types = [] }) {
  return types
    .filter(({ state }) => state !== 'SYNCED')
    .map(({ type, state }) => `${type} ${state}`)
    .join(', ');
}

export function Proxies({ query }) {
  const { q = '', only = '' } = query;
  const proxies = useProxies();
  const wanted = q.toLowerCase();
  const rows = useMemo(
    () =>
      proxies.items.filter(
        (row) =>
          `${row.node} ${row.namespace} ${row.peer}`.toLowerCase().includes(wanted) &&
          (!only || (only === 'behind' ? BEHIND.has(row.state) : row.state === only)),
      ),
    [proxies.items, wanted, only],
  );
  const narrow = (more) => replace(link('proxies', { q, only, ...more }));
  return html`<${Page}
    title="Proxies"
    beside=${html`
      <${Choice} label="Which proxies" options=${VIEWS} value=${only} onChange=${(value) => narrow({ only: value })} />
      <${Search} label="Node, namespace or peer" value=${q} onInput=${(value) => narrow({ q: value })} />
    `}
  >
    <${Answer} asked=${proxies} what="proxies" show=${() => html`<${Listed} proxies=${proxies} rows=${rows} narrowed=${q || only} />`} />
  <//>`;
}

function Listed({ proxies, rows, narrowed }) {
  const { next, more, growing } = proxies;
  if (!rows.length && !next && narrowed) return html`<${Empty} title="No proxy is like that" />`;
  if (!rows.length && !next) {
    return html`<${Empty} title="No proxy is connected">Give an Envoy the bootstrap that <code>pilothouse bootstrap</code> prints.<//>`;
  }
  return html`
    <p class="quiet" role="status">${count(rows.length, 'stream')}${next ? ' so far' : ''}</p>
    <${Table} label="Proxies" columns=${COLUMNS} rows=${rows} id=${identity} more=${next && more} growing=${growing} />
  `;
}

function identity({ node, stream, connected, refused }) {
  return `${node} ${refused ? 'refused' : stream} ${connected}`;
}

/** The list of proxies, which events keep up to date without asking for it again. */
export function useProxies() {
  const list = useList('proxies');
  const [news, setNews] = useState(new Map());
  useEffect(() => setNews(new Map()), [list.data]);
  useEffect(() => {
    let heard = new Map();
    let timer = null;
    const take = () => {
      const some = heard;
      [heard, timer] = [new Map(), null];
      setNews((before) => new Map([...before, ...some]));
    };
    const stop = follow(['proxy'], (kind, row) => {
      if (kind === 'reset') return;
      heard.set(identity(row), row);
      timer ??= setTimeout(take, TOGETHER_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, []);
  return useMemo(() => ({ ...list, items: merged(list.items, list.next, news) }), [list.data, list.error, list.growing, news]);
}

/** The rows with what is new of them. A proxy that is new is put in order, unless its page is not there yet. */
function merged(items, next, news) {
  if (!news.size) return items;
  const fresh = new Map(news);
  const accepted = new Set([...news.values()].filter((row) => row.state !== 'REFUSED').map(({ node }) => node));
  const known = items.filter((row) => row.state !== 'REFUSED' || !accepted.has(row.node));
  const rows = known.map((row) => {
    const now = fresh.get(identity(row));
    fresh.delete(identity(row));
    return now ?? row;
  });
  const last = items.at(-1)?.node ?? '';
  const added = [...fresh.values()].filter((row) => !next || row.node <= last);
  return added.length ? [...rows, ...added].sort((a, b) => (a.node < b.node ? -1 : Number(a.node > b.node))) : rows;
}
