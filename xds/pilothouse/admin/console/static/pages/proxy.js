// One proxy: who it is, how it stands with each type, what it holds and what it has rejected.
import { useState } from 'preact/hooks';
import { path } from '../api.js';
import { useList, usePage } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty, Failed } from '../parts/notices.js';
import { Choice, Cut, Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { Ago } from '../parts/time.js';
import { link } from '../router.js';
import { count, number, place } from '../words.js';

const RESOURCES = [
  { name: 'Type', width: '72px', cell: (row) => row.type },
  { name: 'Name', cell: (row) => html`<${Cut} text=${row.name} />` },
  { name: 'Version', width: '176px', wide: true, cell: (row) => html`<code>${row.version ?? 'unknown'}</code>` },
];

export function Proxy({ parts: [node] }) {
  const proxy = usePage(path('proxies', node), {}, ['proxy', 'nack']);
  return html`<${Page}
    title=${node}
    beside=${html`
      ${proxy.data && html`<${State} state=${proxy.data.state} />`}
      <a class="button" href=${link('explain', { proxy: node })}>Explain a name</a>
    `}
  >
    <${Answer}
      asked=${proxy}
      what="the proxy"
      show=${(said) => html`<${Detail} said=${said} />`}
      missing=${(error) => html`<${Failed} error=${error} retry=${proxy.reload}>
        ${error.near?.length > 0 && html`<p>Did you mean ${error.near.map((each, at) => html`${at > 0 && ', '}<a href=${link('proxies', each)}>${each}</a>`)}?</p>`}
      <//>`}
    />
  <//>`;
}

function Detail({ said }) {
  return html`
    ${said.streams.map((stream) => html`<${Stream} key=${stream.stream + stream.connected} stream=${stream} alone=${said.streams.length === 1} />`)}
    ${said.gone?.map((gone) => html`<${Gone} key=${gone.stream + gone.since} gone=${gone} />`)}
    ${said.streams.length > 0 && html`<${Resources} node=${said.node} types=${types(said)} />`}
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

function Resources({ node, types: known }) {
  const [type, setType] = useState('');
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
              <${Table} label="Resources" columns=${RESOURCES} rows=${items} id=${(row) => `${row.type} ${row.name}`} more=${next && more} growing=${growing} />`
          : html`<${Empty} title="It holds nothing" />`}
    />
  <//>`;
}
