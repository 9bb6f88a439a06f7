// The services, and how each stands.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Cut, Page, Place, Search } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { link, replace } from '../router.js';
import { amounts, count, health, port } from '../words.js';

const COLUMNS = [
  { name: 'Service', cell: (row) => html`<${Cut} text=${`${row.namespace}/${row.name}`} href=${link('services', row.namespace, row.name)} />` },
  { name: 'Health', width: '136px', cell: (row) => html`<${State} ...${health(row)} />` },
  { name: 'Called', width: '80px', numeric: true, cell: (row) => `${row.called}/${row.endpoints}` },
  { name: 'Ready', width: '72px', wide: true, numeric: true, cell: (row) => `${row.ready}/${row.endpoints}` },
  { name: 'Ports', width: '112px', wide: true, cell: (row) => row.ports.map(port).join(', ') },
  { name: 'Left out', width: '17%', wide: true, cell: (row) => amounts(row.left_out) },
  { name: 'Source', width: '88px', wide: true, cell: (row) => row.source ?? '' },
  { name: 'Declared at', width: '17%', wide: true, cell: (row) => row.place && html`<${Place} of=${row.place} />` },
];
const VIEWS = [
  ['', 'All'],
  ['attention', 'Needs attention'],
];

export function Services({ query }) {
  const { q = '', namespace = '', only = '' } = query;
  const services = useList('services', { search: q.toLowerCase(), namespace }, ['change', 'source']);
  const rows = only ? services.items.filter((row) => health(row).look !== 'good') : services.items;
  const narrow = (more) => replace(link('services', { q, namespace, only, ...more }));
  return html`<${Page}
    title="Services"
    beside=${html`
      ${namespace && html`<button onClick=${() => narrow({ namespace: '' })}>namespace ${namespace} ✕</button>`}
      <${Choice} label="Which services" options=${VIEWS} value=${only} onChange=${(value) => narrow({ only: value })} />
      <${Search} label="Search by name" value=${q} onInput=${(value) => narrow({ q: value })} />
    `}
  >
    <${Answer} asked=${services} what="services" show=${() => html`<${Listed} services=${services} rows=${rows} narrowed=${q || only || namespace} />`} />
  <//>`;
}

function Listed({ services, rows, narrowed }) {
  const { next, more, growing } = services;
  if (!rows.length && !next && narrowed) return html`<${Empty} title="No service is like that">Search for another part of its name, or look at all.<//>`;
  if (!rows.length && !next) {
    return html`<${Empty} title="There are no services">The sources have reported none. <a href=${link('sources')}>Sources</a> says what they read.<//>`;
  }
  return html`
    <p class="quiet" role="status">${count(rows.length, 'service')}${next ? ' so far' : ''}</p>
    <${Table} label="Services" columns=${COLUMNS} rows=${rows} id=${(row) => `${row.namespace}/${row.name}`} more=${next && more} growing=${growing} />
  `;
}
