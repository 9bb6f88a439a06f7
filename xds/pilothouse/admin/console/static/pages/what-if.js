// What manifests would change before they are applied: which resources of which proxies, and whether they are accepted.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../api.js';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Empty, Failed } from '../parts/notices.js';
import { Cut, Page, Place, Section, Whys } from '../parts/page.js';
import { Shape, State } from '../parts/state.js';
import { Table } from '../parts/table.js';
import { link, serviceLink } from '../router.js';
import { store, useStore } from '../store.js';
import { count, number } from '../words.js';

const MOST = 4 << 20; // bytes of a body, as the API has it
const SHOWN = 20; // services; the resources have a table
const PASTED = 'pasted.yaml';
const COLUMNS = [
  { name: 'Effect', width: '104px', cell: (row) => html`<${State} state=${row.effect} />` },
  { name: 'Type', width: '56px', cell: (row) => row.type },
  { name: 'Resource', cell: (row) => html`<${Cut} text=${row.name} />` },
  { name: 'Proxies', width: '72px', numeric: true, cell: (row) => number(row.proxies) },
  { name: 'Which', width: '34%', wide: true, cell: (row) => html`<${Nodes} of=${row} />`, title: ({ nodes = [] }) => nodes.join(', ') },
];

/** What is supposed, and what has come of it. It stays while somebody looks at other pages. */
const supposed = store({ text: '', files: [], delete: false, source: '' });
const outcome = store(null);

export function WhatIf() {
  const said = useStore(supposed);
  const come = useStore(outcome);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), []);
  const work = async () => {
    running.current?.abort();
    const request = (running.current = new AbortController());
    outcome.set({ since: performance.now(), stop: () => request.abort() });
    try {
      outcome.set({ answer: await post('what-if', body(said), request.signal), wasDelete: said.delete });
    } catch (error) {
      outcome.set(error.name === 'AbortError' ? null : { error });
    }
  };
  return html`<${Page} title="What if" lead="What manifests would change, before they are applied. Nothing that runs is touched.">
    <${Asking} said=${said} busy=${come?.since !== undefined} onSubmit=${work} />
    ${come?.since !== undefined && html`<${Working} since=${come.since} stop=${come.stop} />`}
    ${come?.error && html`<${Failed} error=${come.error} retry=${work} />`}
    ${come?.answer && html`<${Outcome} said=${come.answer} wasDelete=${come.wasDelete} />`}
    ${!come && html`<${Empty} title="Nothing is supposed yet">Paste manifests as kubectl takes them, or choose files with them.<//>`}
  <//>`;
}

function body({ text, files, delete: remove, source }) {
  const pasted = text.trim() ? [{ name: PASTED, text }] : [];
  return { files: [...files, ...pasted], delete: remove, source };
}

function Asking({ said, busy, onSubmit }) {
  const sources = useList('sources');
  const change = (more) => supposed.set({ ...said, ...more });
  const size = said.text.length + said.files.reduce((sum, { text }) => sum + text.length, 0);
  const none = !said.text.trim() && !said.files.length;
  const choose = async (event) => change({ files: await Promise.all([...event.target.files].map(read)) });
  const submit = (event) => {
    event.preventDefault();
    onSubmit();
  };
  return html`<form class="supposing" onSubmit=${submit}>
    <label>
      Manifests
      <textarea rows="10" spellcheck="false" placeholder="kind: Service …" value=${said.text} onInput=${(event) => change({ text: event.target.value })} />
    </label>
    <div class="row">
      <label>Files <input type="file" multiple accept=".yaml,.yml,.json" onChange=${choose} /></label>
      <label>
        Source
        <select value=${said.source} onChange=${(event) => change({ source: event.target.value })}>
          <option value="">the first that could read them</option>
          ${sources.items.map(({ name }) => html`<option value=${name}>${name}</option>`)}
        </select>
      </label>
      <label class="row"><input type="checkbox" checked=${said.delete} onChange=${(event) => change({ delete: event.target.checked })} /> What if the objects were deleted</label>
      <button class="primary" type="submit" disabled=${busy || none || size > MOST}>Work it out</button>
    </div>
    ${said.files.length > 0 && html`<p class="quiet">${said.files.map(({ name }) => name).join(', ')} <button type="button" class="small" onClick=${() => change({ files: [] })}>Forget ${said.files.length === 1 ? 'it' : 'them'}</button></p>`}
    ${size > MOST && html`<p class="bad-text" role="alert">That is more than 4 MiB. Split it.</p>`}
  </form>`;
}

async function read(file) {
  return { name: file.name, text: await file.text() };
}

function Working({ since, stop }) {
  const [now, setNow] = useState(since);
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return html`<div class="verdict busy" role="status">
    <${Shape} look="busy" />
    <p><span class="strong">Working it out.</span> ${Math.floor((now - since) / 1000)} s so far. Many services and proxies take a while.</p>
    <button onClick=${stop}>Stop</button>
  </div>`;
}

function Outcome({ said, wasDelete }) {
  const { faults = [], warnings = [], quarantined = [], gone = [], emptied = [], left_out: leftOut = [] } = said;
  const troubles = [faults.length && count(faults.length, 'fault'), quarantined.length && `${count(quarantined.length, 'service')} put in quarantine`];
  const look = said.ok ? (gone.length || emptied.length ? 'warn' : 'good') : 'bad';
  return html`
    <div class="verdict ${look}" role="status">
      <${Shape} look=${look} />
      <p>
        <span class="strong">${troubles.filter(Boolean).join(' and ') || 'No faults'}.</span>${' '}
        ${count(said.touched, 'service')} would ${wasDelete ? 'go or change' : 'change'} in source ${said.source}; ${count(said.proxies, 'connected proxy', 'connected proxies')} would notice.
      </p>
    </div>
    <${Faults} title="Faults" of=${faults} kind="bad" />
    ${quarantined.length > 0 &&
    html`<${Section} title="Quarantined">
      <ul class="faults bad">${quarantined.map((each) => html`<li><p><a href=${serviceLink(each.service)}>${each.service}</a></p><p>${each.reason}</p><p class="quiet">Its last good version would stay.</p></li>`)}</ul>
    <//>`}
    ${gone.length > 0 &&
    html`<${Section} title="Gone">
      <ul class="faults warn">
        ${gone.map((each) => html`<li><p><a href=${serviceLink(each.service)}>${each.service}</a></p><p>${count(each.proxies, 'proxy', 'proxies')} would lose it: <${Nodes} of=${each} /></p></li>`)}
      </ul>
    <//>`}
    ${emptied.length > 0 &&
    html`<${Section} title="Without an endpoint">
      <ul class="faults warn">
        ${emptied.map((each) => html`<li><p><a href=${serviceLink(each)}>${each}</a></p><p>It would have no endpoint that is called.</p></li>`)}
      </ul>
    <//>`}
    <${Faults} title="Warnings" of=${warnings} kind="warn" />
    ${leftOut.length > 0 && html`<${Section} title="Left out"><${Whys} of=${leftOut} /><//>`}
    <${Services} said=${said} />
    <${Effects} said=${said} />
  `;
}

function Faults({ title, of, kind }) {
  if (!of.length) return null;
  return html`<${Section} title=${title}>
    <ul class="faults ${kind}">
      ${of.map((each) => html`<li><p class="said strong">${each.place}</p><p>${each.field && html`<code>${each.field}</code> `}${each.message}</p></li>`)}
    </ul>
  <//>`;
}

function Services({ said }) {
  const [all, setAll] = useState(false);
  if (!said.touched) return null;
  const shown = all ? said.services : said.services.slice(0, SHOWN);
  return html`<${Section} title="Services that would change">
    <ul class="list-of">
      ${shown.map(
        (each) => html`<li key=${each.service} class="within-list">
          <p><a class="strong" href=${serviceLink(each.service)}>${each.service}</a> ${each.what}</p>
          ${each.place && html`<p class="quiet"><${Place} of=${each.place} /></p>`}
        </li>`,
      )}
    </ul>
    <p class="row">
      ${!all && said.services.length > SHOWN && html`<button onClick=${() => setAll(true)}>Show ${said.services.length}</button>`}
      ${said.touched > shown.length && html`<span class="quiet">and ${count(said.touched - shown.length, 'more service')}</span>`}
    </p>
  <//>`;
}

function Effects({ said }) {
  const { effects, affected } = said;
  return html`<${Section} title="Resources that would change" beside=${html`<span class="quiet">those of most proxies first</span>`}>
    ${effects.length
      ? html`<p class="quiet">${count(affected, 'resource')}${affected > effects.length && html`, of which the first ${number(effects.length)} are shown`}</p>
          <${Table} label="Resources that would change" columns=${COLUMNS} rows=${effects} id=${(row) => `${row.effect} ${row.type} ${row.name}`} />`
      : html`<${Empty} title="No proxy would notice">What is supposed is as it is already, or concerns no resource.<//>`}
  <//>`;
}

/** The first proxies that something is about. */
function Nodes({ of: { proxies, nodes = [] } }) {
  const more = proxies - nodes.length;
  if (!nodes.length) return html`<span class="quiet">none is connected</span>`;
  return html`<span>${nodes.map((node, at) => html`${at > 0 && ', '}<a href=${link('proxies', node)}>${node}</a>`)}${more > 0 && ` and ${number(more)} more`}</span>`;
}
