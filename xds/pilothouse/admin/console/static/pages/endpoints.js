// The endpoints of all services, to find one by its address; and those of one service, with the orders about them.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Order } from '../parts/dialogs.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Cut, Page, Search } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { link, replace, serviceLink } from '../router.js';
import { store, useStore } from '../store.js';
import { count, place } from '../words.js';
import { drained, How } from './drains.js';

const SERVICE = { name: 'Service', width: '26%', cell: (row) => html`<${Cut} text=${row.service} href=${serviceLink(row.service)} />` };
const COLUMNS = [
  {
    name: 'Address',
    cell: (row) => html`<${Cut} text=${address(row)} href=${link('explain', { name: row.service, endpoint: row.address })} />`,
  },
  { name: 'Called', width: '80px', cell: (row) => html`<${State} state=${row.called} />` },
  { name: 'State', width: '144px', wide: true, cell: (row) => row.state },
  { name: 'Weight', width: '72px', wide: true, numeric: true, cell: (row) => String(row.weight) },
  { name: 'Zone', width: '130px', wide: true, cell: (row) => place(row.locality) || '–' },
  { name: 'Why not', cell: (row) => row.reasons.map(({ code, words }) => `${code}: ${words}`).join('; ') },
];
const ORDER = {
  name: 'Order',
  width: '112px',
  wide: true,
  cell: (row) => html`<button class="small" onClick=${() => ordered.set(row)} aria-label=${`${verb(row)} ${address(row)}`}>${verb(row)}</button>`,
};
const WITH_ORDERS = [...COLUMNS, ORDER];
const WITH_SERVICE = [SERVICE, ...COLUMNS];
const LEAST = 15; // characters of the column of addresses: an IPv4 address
const LONGEST = 47; // an IPv6 address with its port
const VIEWS = [
  ['', 'All'],
  ['uncalled', 'Not called'],
];

/** The row that somebody orders something about. */
const ordered = store(null);

function isDrained({ reasons }) {
  return reasons.some(({ code }) => code === 'drained');
}

function verb(row) {
  return isDrained(row) ? 'Undrain' : 'Drain';
}

function address(row) {
  const numbers = Object.values(row.ports);
  const host = row.address.includes(':') && numbers.length ? `[${row.address}]` : row.address;
  return numbers.length ? numbers.map((number) => `${host}:${number}`).join(', ') : host;
}

export function Endpoints({ query }) {
  const { q = '', only = '' } = query;
  const endpoints = useList('endpoints', {}, ['change']);
  const wanted = q.toLowerCase();
  const about = (row) => `${row.address} ${row.service} ${row.workload ?? ''} ${row.on_node ?? ''}`.toLowerCase().includes(wanted);
  const rows = endpoints.items.filter((row) => about(row) && (!only || row.called !== 'yes'));
  const narrow = (more) => replace(link('endpoints', { q, only, ...more }));
  return html`<${Page}
    title="Endpoints"
    lead="Whether clients call an endpoint, as far as it does not depend on the client. Its address leads to why."
    beside=${html`
      <${Choice} label="Which endpoints" options=${VIEWS} value=${only} onChange=${(value) => narrow({ only: value })} />
      <${Search} label="Address, service or node" value=${q} onInput=${(value) => narrow({ q: value })} />
    `}
  >
    <${Answer} asked=${endpoints} what="endpoints" show=${() => html`<${Listed} endpoints=${endpoints} rows=${rows} />`} />
  <//>`;
}

function Listed({ endpoints, rows }) {
  const { items, next, more, growing } = endpoints;
  if (!items.length) return html`<${Empty} title="There are no endpoints" />`;
  if (!rows.length && !next) return html`<${Empty} title="No endpoint is like that">${count(items.length, 'endpoint')} were searched.<//>`;
  return html`
    <p class="quiet" role="status">${count(rows.length, 'endpoint')}${next ? ' so far' : ''}</p>
    <${EndpointTable} rows=${rows} columns=${WITH_SERVICE} more=${next && more} growing=${growing} />
  `;
}

/** The endpoints of one service, which can be taken out of service and back. */
export function ServiceEndpoints({ rows, more, growing }) {
  const row = useStore(ordered);
  useEffect(() => () => ordered.set(null), []);
  return html`
    <${EndpointTable} rows=${rows} columns=${WITH_ORDERS} more=${more} growing=${growing} />
    ${row && html`<${Drain} key=${row.address} row=${row} drained=${isDrained(row)} />`}
  `;
}

function Drain({ row, drained: now }) {
  const [ends] = useState(now); // the row changes while the answer is shown
  const [how, setHow] = useState({ lasts: '1h', force: false });
  const body = { addresses: [row.address], service: row.service };
  return html`<${Order}
    title=${`${ends ? 'Undrain' : 'Drain'} ${row.address}`}
    verb=${ends ? 'Undrain' : 'Drain'}
    page=${ends ? 'undrain' : 'drain'}
    body=${ends ? body : { ...body, ...how }}
    told=${ends ? () => 'It is in service again.' : drained}
    danger=${!ends}
    onEnd=${() => ordered.set(null)}
  >
    ${ends && html`<p>If it is drained in all services, end that at <a href=${link('drains')}>Drains</a>.</p>`}
    ${!ends &&
    html`<p>New requests to ${row.service} go to other endpoints, at all proxies.</p>
      <${How} ...${how} onChange=${(more) => setHow({ ...how, ...more })} />`}
  <//>`;
}

/** The first column has room for the longest address, because a part of one says nothing. */
function EndpointTable({ rows, columns, more, growing }) {
  const longest = Math.min(LONGEST, rows.reduce((most, row) => Math.max(most, address(row).length), LEAST));
  const fitted = useMemo(
    () => columns.map((each) => (each.name === 'Address' ? { ...each, width: `min(${longest}ch + 28px, 60vw)` } : each)),
    [columns, longest],
  );
  return html`<${Table}
    label="Endpoints"
    columns=${fitted}
    rows=${rows}
    id=${(row) => `${row.service} ${address(row)} ${row.workload ?? ''}`}
    more=${more}
    growing=${growing}
  />`;
}
