// The endpoints of all services, to find one by its address; and the table that a service shows too.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Cut, Page, Search } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { link, replace, serviceLink } from '../router.js';
import { count, place } from '../words.js';

const SERVICE = { name: 'Service', width: '26%', cell: (row) => html`<${Cut} text=${row.service} href=${serviceLink(row.service)} />` };
const COLUMNS = [
  {
    name: 'Address',
    width: '176px',
    cell: (row) => html`<${Cut} text=${address(row)} href=${link('explain', { name: row.service, endpoint: row.address })} />`,
  },
  { name: 'Called', width: '88px', cell: (row) => html`<${State} state=${row.called} />` },
  { name: 'State', width: '144px', wide: true, cell: (row) => row.state },
  { name: 'Weight', width: '72px', wide: true, numeric: true, cell: (row) => String(row.weight) },
  { name: 'Zone', width: '130px', wide: true, cell: (row) => place(row.locality) || '–' },
  { name: 'Why not', cell: (row) => row.reasons.map(({ code, words }) => `${code}: ${words}`).join('; ') },
];
const WITH_SERVICE = [SERVICE, ...COLUMNS];
const VIEWS = [
  ['', 'All'],
  ['uncalled', 'Not called'],
];

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

export function EndpointTable({ rows, columns = COLUMNS, more, growing }) {
  return html`<${Table}
    label="Endpoints"
    columns=${columns}
    rows=${rows}
    id=${(row) => `${row.service} ${address(row)} ${row.workload ?? ''}`}
    more=${more}
    growing=${growing}
  />`;
}
