// One proxy: who it is, how it stands with each type, how it differs, what it holds and what it has rejected.
import { useMemo, useState } from 'preact/hooks';
import { path } from '../api.js';
import { useList, usePage } from '../asking.js';
import { html } from '../html.js';
import { Dialog, Order } from '../parts/dialogs.js';
import { Answer, Empty, Failed } from '../parts/notices.js';
import { Choice, Cut, Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { link, replace, serviceLink } from '../router.js';
import { count, number, place } from '../words.js';
import { Diff } from './diff.js';

/** The columns of what a node was sent. */
function columns(node) {
  return [
    { name: 'Type', width: '72px', cell: (row) => row.type },
    { name: 'Name', cell: (row) => html`<${Cut} text=${row.name} href=${link('proxies', node, { type: row.type, resource: row.name })} />` },
    { name: 'Version', width: '176px', wide: true, cell: (row) => html`<code>${row.version ?? 'unknown'}</code>` },
    { name: 'Change', width: '88px', wide: true, numeric: true, cell: (row) => changeOf(row) },
  ];
}

function changeOf({ change }) {
  return change === undefined ? '' : html`<a href=${link('changes', String(change))}>${number(change)}</a>`;
}

export function Proxy({ parts: [node], query }) {
  const proxy = usePage(path('proxies', node), {}, ['proxy', 'nack']);
  return html`<${Page}
    title=${node}
    beside=${html`
      ${proxy.data && html`<${State} state=${proxy.data.state} />`}
      <a class="button" href=${link('explain', { proxy: node })}>Explain a name</a>
      ${proxy.data?.streams.length > 0 && html`<${Disconnect} node=${node} />`}
    `}
  >
    <${Answer}
      asked=${proxy}
      what="the proxy"
      show=${(said) => html`<${Detail} said=${said} query=${query} />`}
      missing=${(error) => html`<${Failed} error=${error} retry=${proxy.reload}>
        ${error.near?.length > 0 && html`<p>Did you mean ${error.near.map((each, at) => html`${at > 0 && ', '}<a href=${link('proxies', each)}>${each}</a>`)}?</p>`}
      <//>`}
    />
  <//>`;
}

function Disconnect({ node }) {
  const [open, setOpen] = useState(false);
  return html`
    <button onClick=${() => setOpen(true)}>Disconnect</button>
    ${open &&
    html`<${Order} title=${`Disconnect ${node}`} verb="Disconnect" danger page=${path('proxies', node, 'disconnect')} onEnd=${() => setOpen(false)}>
      <p>Its streams are closed. An Envoy keeps what it has, and connects again by itself.</p>
    <//>`}
  `;
}

function Detail({ said, query }) {
  return html`
    ${said.streams.map((stream) => html`<${Stream} key=${stream.stream + stream.connected} stream=${stream} alone=${said.streams.length === 1} />`)}
    ${said.gone?.map((gone) => html`<${Gone} key=${gone.stream + gone.since} gone=${gone} />`)}
    ${said.refused && html`<${Refused} refused=${said.refused} />`}
    ${said.streams.length > 0 && html`<${Diff} node=${said.node} />`}
    ${said.streams.length > 0 && html`<${Resources} node=${said.node} types=${types(said)} shown=${query} />`}
  `;
}

function types({ streams }) {
  return [...new Set(streams.flatMap((stream) => stream.types.map(({ type }) => type)))];
}

function Stream({ stream, alone }) {
  const rejected = stream.types.filter((each) => each.last_nack);
  return html`<${Section} title=${alone ? 'Stream' : stream.stream}>
    <${Facts}
      of=${[
        ['Connected', html`<${Ago} at=${stream.connected} />`],
        ['Peer', stream.peer],
        ['Namespace', stream.namespace || 'none'],
        ['Locality', place(stream.locality) || 'none'],
        ['On node', stream.on_node],
        ['Identity', stream.identity ?? 'no certificate'],
        ['Protocol', `${stream.variant}, ${stream.dialect}`],
        ['Capture', stream.capture],
        ['Depends on', stream.depends_on ?? 'all services'],
      ]}
    />
    <div class="scrolled" tabindex="0" role="region" aria-label="Sync by type">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Type</th><th scope="col">State</th><th scope="col" class="numeric">Asked</th><th scope="col" class="numeric">Held</th>
            <th scope="col" class="numeric">Change acknowledged</th><th scope="col" class="numeric">Change sent</th><th scope="col">Lag</th>
            <th scope="col">Version acknowledged</th><th scope="col">Version sent</th><th scope="col">In flight</th><th scope="col">Sent</th>
          </tr>
        </thead>
        <tbody>${stream.types.map((each) => html`<${Subscription} key=${each.type} of=${each} />`)}</tbody>
      </table>
    </div>
    ${rejected.map((each) => html`<${Nack} key=${each.type} of=${each} />`)}
  <//>`;
}

/** A type, with what the proxy has acknowledged beside what it was sent. */
function Subscription({ of }) {
  const same = of.version_sent === of.version_acknowledged;
  return html`<tr>
    <th scope="row">${of.type}</th>
    <td><${State} state=${of.state} /></td>
    <td class="numeric">${of.wildcard ? 'all' : number(of.asked)}</td>
    <td class="numeric">${number(of.held)}</td>
    <td class="numeric">${changeOf({ change: of.change_acknowledged })}</td>
    <td class="numeric">${changeOf({ change: of.change_sent })}</td>
    <td>${of.lag ? html`${count(of.lag.changes, 'change')}, <${Ago} at=${of.lag.since} bare />` : html`<span class="quiet">none</span>`}</td>
    <td><code>${of.version_acknowledged ?? 'none'}</code></td>
    <td>${same ? html`<span class="quiet">the same</span>` : html`<code class="differs">${of.version_sent ?? 'none'}</code>`}</td>
    <td>${of.in_flight_since ? html`<${Ago} at=${of.in_flight_since} bare />` : html`<span class="quiet">–</span>`}</td>
    <td><${Ago} at=${of.sent} /></td>
  </tr>`;
}

function Nack({ of: { type, state, last_nack: nack } }) {
  const over = state !== 'NACKED';
  return html`<div class=${over ? 'note' : 'failed'}>
    <p class="strong">${over ? html`${type} was rejected, and accepted since` : html`<${State} state="NACKED" /> ${type}`} <span class="quiet"><${Ago} at=${nack.at} /></span></p>
    <p class="said">${nack.text}</p>
    ${!over && html`<p><a href=${link('nacks')}>Which services this is about</a></p>`}
  </div>`;
}

function Gone({ gone }) {
  return html`<${Section} title="Gone">
    <p><${State} state="GONE" /> <${Ago} at=${gone.since} />: ${gone.why}</p>
    <${Facts}
      of=${[
        ['Connected', html`<${Ago} at=${gone.connected} />`],
        ['Peer', gone.peer],
        ['Stream', gone.stream],
        ...(gone.unanswered ?? []).map(({ type, since }) => [`${type} not answered`, html`since <${Ago} at=${since} bare />`]),
        ...Object.entries(gone.nacked ?? {}).map(([type, text]) => [`${type} rejected`, text]),
      ]}
    />
  <//>`;
}

function Refused({ refused }) {
  return html`<${Section} title="Refused">
    <p><${State} state="REFUSED" /> ${refused.why}</p>
    <${Facts}
      of=${[
        ['Refused streams', number(refused.count)],
        ['First', html`<${Ago} at=${refused.first} />`],
        ['Last', html`<${Ago} at=${refused.last} />`],
        ['Peer', refused.peer],
        ['Stream', `${refused.stream}, ${refused.variant}`],
      ]}
    />
  <//>`;
}

function Resources({ node, types: known, shown }) {
  const [type, setType] = useState('');
  const layout = useMemo(() => columns(node), [node]);
  const resources = useList(path('proxies', node, 'resources'), { type }, ['proxy']);
  const { items, next, more, growing } = resources;
  const options = [['', 'All'], ...known.map((each) => [each, each])];
  return html`<${Section}
    title="What it was sent"
    beside=${html`<${Choice} label="Type" options=${options} value=${type} onChange=${setType} />`}
  >
    <${Answer}
      asked=${resources}
      what="resources"
      show=${() =>
        items.length
          ? html`<p class="quiet" role="status">${count(items.length, 'resource')}${next ? ' so far' : ''}</p>
              <${Table} label="Resources" columns=${layout} rows=${items} id=${(row) => `${row.type} ${row.name}`} more=${next && more} growing=${growing} />`
          : html`<${Empty} title="It holds nothing" />`}
    />
    ${shown.resource && html`<${Resource} key=${shown.resource} node=${node} type=${shown.type} name=${shown.resource} />`}
  <//>`;
}

/** A resource as Envoy has it, without keys and passwords. */
function Resource({ node, type, name }) {
  const asked = usePage(path('proxies', node, 'resources'), { type, resource: name, content: 'yes' }, ['proxy']);
  const close = () => replace(link('proxies', node));
  return html`<${Dialog} title=${name} wide onCancel=${close} onSubmit=${close}>
    <${Answer}
      asked=${asked}
      what="the resource"
      show=${({ items: [found] }) => (found ? html`<${Content} of=${found} />` : html`<${Empty} title="The proxy does not hold it any more" />`)}
    />
    <p class="row end"><button type="submit">Close</button></p>
  <//>`;
}

function Content({ of }) {
  const services = of.services?.map((each) => html`<a href=${serviceLink(each)}>${each}</a>`);
  return html`
    <${Facts} of=${[['Type', of.type], ['Version', of.version ?? 'unknown'], ['Service', services], ['Change', changeOf(of)]]} />
    <pre class="said" tabindex="0">${of.content ? JSON.stringify(of.content, null, 2) : 'Only the proxy knows what it has.'}</pre>
  `;
}
