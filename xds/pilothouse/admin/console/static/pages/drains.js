// The endpoints that operators have taken out of service, and the orders that do that and end it.
import { useState } from 'preact/hooks';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Order } from '../parts/dialogs.js';
import { Answer, Empty } from '../parts/notices.js';
import { Page } from '../parts/page.js';
import { Ago, Until } from '../parts/time.js';
import { serviceLink } from '../router.js';
import { absolute, count } from '../words.js';

const PAGE = 100;
const LASTS = [
  ['15m', '15 minutes'],
  ['1h', '1 hour'],
  ['6h', '6 hours'],
  ['1d', '1 day'],
  ['7d', '7 days'],
];

export function Drains() {
  const drains = useList('drains', { limit: PAGE }, ['change']);
  const [order, setOrder] = useState(null); // here, because a drain that is ended is gone before its answer is read
  const close = () => setOrder(null);
  return html`<${Page}
    title="Drains"
    lead="Endpoints that operators have taken out of service for a time. They get no new requests; those under way finish."
    beside=${html`<button onClick=${() => setOrder({ drain: true })}>Drain endpoints</button>`}
  >
    <${Answer} asked=${drains} what="drains" show=${() => html`<${Listed} drains=${drains} end=${(of) => setOrder({ of })} />`} />
    ${order?.drain && html`<${Draining} onEnd=${close} />`}
    ${order?.of && html`<${Undraining} of=${order.of} onEnd=${close} />`}
  <//>`;
}

function Listed({ drains, end }) {
  const { items, next, more, growing } = drains;
  if (!items.length) return html`<${Empty} title="No endpoint is drained">Drain one here, or on the page of its service.<//>`;
  return html`
    <p class="quiet" role="status">${count(items.length, 'drain')}${next ? ' so far' : ''}</p>
    <ul class="list-of">${items.map((each) => html`<${Drain} key=${target(each) + (each.service ?? '')} of=${each} end=${() => end(each)} />`)}</ul>
    ${next && html`<p class="row"><button onClick=${more} disabled=${growing}>${growing ? 'Loading' : 'More'}</button></p>`}
  `;
}

function Drain({ of, end }) {
  const { service, found = [] } = of;
  return html`<li class="drain">
    <div>
      <p>
        <span class="strong">${target(of)}</span>${' '}
        ${service ? html`of <a href=${serviceLink(service)}>${service}</a>` : 'wherever it occurs'}
      </p>
      <p class="quiet">
        by <span class="strong">${of.who}</span> <${Ago} at=${of.since} />${of.reason && `: ${of.reason}`}
      </p>
      ${!service &&
      html`<p class="quiet">
        ${found.length ? html`found in ${found.map((each, at) => html`${at > 0 && ', '}<a href=${serviceLink(each)}>${each}</a>`)}` : 'found in no service yet'}
      </p>`}
      ${service && !found.length && html`<p class="quiet">not an endpoint of it now</p>`}
    </div>
    <span>ends <${Until} at=${of.until} /></span>
    <button class="small" onClick=${end} aria-label=${`Undrain ${target(of)}`}>Undrain</button>
  </li>`;
}

/** As it is written in an order. */
function target({ address, port }) {
  if (!port) return address;
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function Draining({ onEnd }) {
  const [addresses, setAddresses] = useState('');
  const [service, setService] = useState('');
  const [how, setHow] = useState({ lasts: '1h', force: false });
  const body = { addresses: addresses.split(/[\s,]+/).filter(Boolean), ...(service.trim() && { service: service.trim() }), ...how };
  return html`<${Order} title="Drain endpoints" verb="Drain" page="drain" body=${body} told=${drained} danger onEnd=${onEnd}>
    <p>New requests go to other endpoints, at all proxies.</p>
    <label>Addresses <input required placeholder="10.1.7.9 or 10.1.7.9:8080" value=${addresses} onInput=${(event) => setAddresses(event.target.value)} /></label>
    <label>Only of service <input placeholder="NAMESPACE/NAME; all services without it" value=${service} onInput=${(event) => setService(event.target.value)} /></label>
    <${How} ...${how} onChange=${(more) => setHow({ ...how, ...more })} />
  <//>`;
}

/** What an order to drain says beside the addresses: for how long, and whether the last endpoint may go. */
export function How({ lasts, force, onChange }) {
  return html`
    <label>
      For
      <select value=${lasts} onChange=${(event) => onChange({ lasts: event.target.value })}>
        ${LASTS.map(([value, text]) => html`<option value=${value}>${text}</option>`)}
      </select>
    </label>
    <label class="row"><input type="checkbox" checked=${force} onChange=${(event) => onChange({ force: event.target.checked })} /> Even if it is the last one</label>
  `;
}

/** What is said of drains that an order has made. */
export function drained({ items }) {
  const until = items.at(-1)?.until;
  return `${items.length === 1 ? 'It is' : `${count(items.length, 'address is', 'addresses are')}`} out of service until ${absolute(until)}.`;
}

function Undraining({ of, onEnd }) {
  const body = { addresses: [target(of)], ...(of.service && { service: of.service }) };
  return html`<${Order} title=${`Undrain ${target(of)}`} verb="Undrain" page="undrain" body=${body} told=${() => 'It is in service again.'} onEnd=${onEnd}>
    <p>The drain of ${of.who} ends now. New requests may go to it again.</p>
  <//>`;
}
