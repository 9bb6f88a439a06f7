// All services and all sidecars at a glance, by namespace. What is not well stands out; the rest stays quiet.
import { Component } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { path } from '../api.js';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Page } from '../parts/page.js';
import { State } from '../parts/state.js';
import { link } from '../router.js';
import { store, useStore } from '../store.js';
import { count, health, look } from '../words.js';
import { useProxies } from './proxies.js';

const LEGEND = [
  ['good', 'ready, SYNCED'],
  ['busy', 'SENDING'],
  ['warn', 'partly ready, some left out, STALE'],
  ['bad', 'none ready, none called, quarantined, NACKED, REFUSED'],
  ['idle', 'no endpoints, IDLE'],
  ['gone', 'GONE'],
];
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

/** What the pointer or the focus is on: a mark's key. It is a store, so that pointing renders one line only. */
const pointed = store('');

export function Overall() {
  const services = useWhole(useList('services', { limit: 1000 }, ['change']));
  const proxies = useWhole(useProxies());
  return html`<${Page} title="Map" lead="Select a sidecar to see which services it was sent.">
    <ul class="legend">${LEGEND.map(([kind, text]) => html`<li><i class="cell ${kind}" />${text}</li>`)}</ul>
    <${Answer}
      asked=${services}
      what="services"
      show=${() => html`<${Answer} asked=${proxies} what="proxies" show=${() => html`<${Mesh} services=${services.items} proxies=${proxies.items} />`} />`}
    />
  <//>`;
}

/** A list of which all pages are wanted. */
function useWhole(list) {
  const { next, growing, more } = list;
  useEffect(() => {
    if (next && !growing) more();
  }, [next, growing, more]);
  return list;
}

function Mesh({ services, proxies }) {
  const [selected, select] = useState('');
  const cells = useMemo(() => new Map([...services.map(serviceCell), ...proxies.map(proxyCell)].map((each) => [each.key, each])), [services, proxies]);
  const namespaces = useMemo(() => grouped(cells.values()), [cells]);
  const [held, setHeld] = useState(null);
  const choice = cells.get(selected);
  if (!cells.size) return html`<${Empty} title="There is nothing to show">No source has reported a service, and no proxy is connected.<//>`;
  const onClick = ({ target }) => {
    const key = target.closest('[data-key]')?.dataset.key;
    if (key) select(key === selected ? '' : key);
  };
  return html`
    <div
      class="mesh ${held ? 'following' : ''}"
      onClick=${onClick}
      onKeyDown=${walk}
      onMouseOver=${point}
      onFocusIn=${point}
    >
      ${namespaces.map(([name, group]) => html`<${Namespace} key=${name} name=${name} group=${group} selected=${selected} held=${held} />`)}
    </div>
    <div class="inspector" role="status"><${Inspector} cells=${cells} choice=${choice} held=${held} /></div>
    ${choice?.node !== undefined && html`<${Following} key=${choice.node} node=${choice.node} tell=${setHeld} />`}
  `;
}

function point({ target }) {
  const key = target.closest('[data-key]')?.dataset.key;
  if (key) pointed.set(key);
}

function serviceCell(row) {
  const name = `${row.namespace}/${row.name}`;
  const { look: kind, text } = health(row);
  return { key: `service ${name}`, kind, namespace: row.namespace, name, text, more: `${row.ready} of ${count(row.endpoints, 'endpoint')} ready, ${row.called} called`, service: name, href: link('services', row.namespace, row.name) };
}

function proxyCell(row) {
  const more = row.reason ?? `${row.variant}, ${row.peer}`;
  return { key: `proxy ${row.node} ${row.stream} ${row.connected}`, kind: look(row.state), namespace: row.namespace, name: row.node, text: row.state, more, node: row.node, href: link('proxies', row.node) };
}

/** `[namespace, { services, proxies }]`, in the order of names. */
function grouped(cells) {
  const found = new Map();
  for (const cell of cells) {
    if (!found.has(cell.namespace)) found.set(cell.namespace, { services: [], proxies: [] });
    found.get(cell.namespace)[cell.service ? 'services' : 'proxies'].push(cell);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

function Namespace({ name, group, selected, held }) {
  const row = (cells, label) =>
    cells.length > 0 &&
    html`<h3>${label} <span class="quiet">${cells.length}</span></h3>
      <div class="cells" role="toolbar" aria-label=${`${label} of ${name || 'no namespace'}`}>
        ${cells.map(
          ({ key, kind, name, text, service }, at) =>
            html`<${Mark} key=${key} of=${key} kind=${kind} label=${`${name}, ${text}`} first=${!at} pressed=${key === selected} on=${held?.has(service)} />`,
        )}
      </div>`;
  return html`<section class="namespace" aria-label=${`Namespace ${name || 'none'}`}>
    <h2 class="cut" title=${name}>${name || 'no namespace'}</h2>
    ${row(group.services, 'Services')} ${row(group.proxies, 'Sidecars')}
  </section>`;
}

/** A mark renders again only if it looks different, because there are thousands. */
class Mark extends Component {
  shouldComponentUpdate(next) {
    return Object.keys(next).some((name) => next[name] !== this.props[name]);
  }

  render({ of, kind, label, first, pressed, on }) {
    return html`<button
      type="button"
      class="cell ${kind} ${on ? 'on' : ''}"
      data-key=${of}
      tabindex=${first ? 0 : -1}
      aria-pressed=${String(pressed)}
      aria-label=${label}
    />`;
  }
}

/** The arrow keys go from mark to mark: to the left and the right by one, up and down by a line. */
function walk(event) {
  const cell = event.target.closest('[data-key]');
  const cells = cell ? [...cell.parentElement.children] : [];
  const at = cells.indexOf(cell);
  const line = cells.findIndex((each) => each.offsetTop > (cells[0]?.offsetTop ?? 0));
  const step = STEPS[event.key] ?? { ArrowUp: -line, ArrowDown: line }[event.key];
  const next = { Home: cells[0], End: cells.at(-1) }[event.key] ?? (step && cells[at + step]);
  if (!next) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** What is selected, or else what is pointed at. */
function Inspector({ cells, choice, held }) {
  const cell = choice ?? cells.get(useStore(pointed));
  if (!cell) return html`<span class="quiet">Nothing is selected.</span>`;
  return html`
    <${State} state=${cell.text} look=${cell.kind} text=${cell.text} />
    <a class="cut strong" href=${cell.href} title=${cell.name}>${cell.name}</a>
    <span class="cut quiet">${cell.more}</span>
    ${choice && held && html`<span>was sent ${count(held.size, 'service')}</span>`}
  `;
}

/** Tells which services a proxy was sent, for as long as it is shown. */
function Following({ node, tell }) {
  const resources = useWhole(useList(path('proxies', node, 'resources'), { type: 'CDS', limit: 1000 }, ['proxy']));
  useEffect(() => tell(new Set(resources.items.map(({ name }) => serviceOf(name)))), [resources.data]);
  useEffect(() => () => tell(null), []);
  return null;
}

/** `outbound|80||cart.shop.svc.cluster.local` is a cluster of `shop/cart`. */
function serviceOf(cluster) {
  const [name, namespace] = (cluster.split('|')[3] ?? '').split('.');
  return `${namespace}/${name}`;
}
