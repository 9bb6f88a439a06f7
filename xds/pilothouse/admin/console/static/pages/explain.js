// The answer to "why": the walk from a name to the endpoints behind it, for one client.
import { useEffect, useState } from 'preact/hooks';
import { useList, usePage } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty, Failed } from '../parts/notices.js';
import { Facts, Page, Why, Whys } from '../parts/page.js';
import { Shape, State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { go, link, serviceLink } from '../router.js';
import { count, look, percent, place, port } from '../words.js';

const FIELDS = ['name', 'proxy', 'namespace', 'locality', 'endpoint'];

const NUMERIC = new Set(['Priority', 'Weight']);

export function Explain({ query }) {
  return html`<${Page} title="Explain" lead="Where a name leads for a client, and if not, why.">
    <${Asking} query=${query} />
    ${query.name
      ? html`<${Explained} query=${query} />`
      : html`<${Empty} title="Which name?">
          A host name, a virtual IP or NAMESPACE/NAME, with or without a port. Without a proxy, it is explained for a client in a
          namespace and a zone.
        <//>`}
  <//>`;
}

function Asking({ query }) {
  const [said, setSaid] = useState(query);
  useEffect(() => setSaid(query), [JSON.stringify(query)]);
  const proxies = useList('proxies', { limit: 200 });
  const submit = (event) => {
    event.preventDefault();
    go(link('explain', Object.fromEntries(FIELDS.map((name) => [name, said[name]?.trim()]))));
  };
  const field = (name, label, hint, more = {}) =>
    html`<label>
      ${label}
      <input name=${name} placeholder=${hint} value=${said[name] ?? ''} ...${more} onInput=${(e) => setSaid({ ...said, [name]: e.target.value })} />
    </label>`;
  const isProxy = Boolean(said.proxy?.trim());
  return html`<form class="asking" onSubmit=${submit}>
    ${field('name', 'Name', 'cart.shop:80', { required: true })}
    ${field('proxy', 'Called by proxy', 'node id', { list: 'nodes' })}
    ${field('namespace', 'or from namespace', 'shop', { disabled: isProxy })}
    ${field('locality', 'in', 'REGION/ZONE', { disabled: isProxy })}
    ${field('endpoint', 'Only endpoint', 'IP')}
    <datalist id="nodes">${[...new Set(proxies.items.map(({ node }) => node))].map((node) => html`<option value=${node} />`)}</datalist>
    <button class="primary" type="submit">Explain</button>
  </form>`;
}

function Explained({ query }) {
  const asked = usePage('explain', Object.fromEntries(FIELDS.map((name) => [name, query[name]])), ['change', 'proxy']);
  return html`<${Answer}
    asked=${asked}
    what="the explanation"
    show=${(said) => html`<${Walk} said=${said} query=${query} />`}
    missing=${(error) => html`<${Failed} error=${error} retry=${asked.reload}><${Near} of=${error.near} query=${query} as="proxy" /><//>`}
  />`;
}

function Near({ of, query, as }) {
  if (!of?.length) return null;
  return html`<p>Did you mean ${of.map((each, at) => html`${at > 0 && ', '}<a href=${link('explain', { ...query, [as]: each })}>${each}</a>`)}?</p>`;
}

function client({ proxy, namespace, locality }) {
  const where = place(locality);
  return `${proxy ? `proxy ${proxy}` : 'a client'} in ${namespace || 'no namespace'}${where ? ` at ${where}` : ''}`;
}

function Walk({ said, query }) {
  const failing = said.routes?.some(({ to }) => to.some(fails));
  const kind = said.found ? (said.reaches && !failing ? 'good' : 'warn') : 'bad';
  return html`
    <div class="verdict ${kind}" role="status">
      <${Shape} look=${kind} />
      <p>
        <span class="strong">${said.name}</span>${said.found ? ' leads to ' : ' leads nowhere, called by '}
        ${said.found && html`<a href=${serviceLink(said.service)}>${said.service}</a>, called by `}${client(said.asked_by)}.
        ${said.found && said.reaches === false && ' No endpoint gets any request.'}
        ${said.found && said.reaches === undefined && ' Whether anything answers depends on what the proxy finds in DNS.'}
        ${said.found && said.reaches && failing && ' Some requests get no further than the proxy.'}
      </p>
    </div>
    ${said.problem && html`<p><${Why} why=${said.problem} /></p>`}
    ${said.last_change &&
    html`<p>Its last change: <a href=${link('changes', String(said.last_change.number))}>change ${said.last_change.number}</a>, <${Ago} at=${said.last_change.at} />.</p>`}
    <${Near} of=${said.near} query=${query} as="name" />
    ${said.notes?.length > 0 && html`<h2>Others that would have the name</h2><${Whys} of=${said.notes} />`}
    <${Facts}
      of=${[
        ['Service', !said.found && said.service && html`<a href=${serviceLink(said.service)}>${said.service}</a>`],
        ['Answered by', said.answered_by && html`<a href=${serviceLink(said.answered_by)}>${said.answered_by}</a>`],
        ['Declared at', said.place],
        ['Virtual IPs', said.virtual_ips?.join(', ')],
        ['Port', said.port && port(said.port)],
      ]}
    />
    ${said.routes?.length > 0 && html`<h2>Requests</h2><${Routes} routes=${said.routes} />`}
    ${said.steps?.length > 0 && html`<h2>${said.asked_by.proxy ? 'What the proxy has of it' : 'Resources on the way'}</h2><${Steps} steps=${said.steps} />`}
    ${said.clusters?.map((cluster) => html`<${Cluster} key=${cluster.name} of=${cluster} />`)}
    ${said.dns && html`<${Dns} of=${said.dns} />`}
    <${LeftOut} said=${said} />
  `;
}

/** Whether a part of the requests gets an error, or a closed connection, in place of an answer. A redirect is an answer. */
function fails({ share, refused, status }) {
  return Boolean(refused) && share > 0 && (status === undefined || status >= 400);
}

/** What is left out and is in no table above. */
function LeftOut({ said }) {
  const targets = said.clusters?.flatMap(({ endpoints }) => endpoints.filter(({ reason }) => reason)) ?? [];
  const shown = new Set(targets.flatMap(({ address: host, port: number }) => [host, `${host}:${number}`]));
  const rest = (said.left_out ?? []).filter(({ about }) => !shown.has(about));
  return rest.length > 0 && html`<h2>Left out</h2><${Whys} of=${rest} />`;
}

/** Rules in the order in which they are tried, and where each sends requests. */
export function Routes({ routes = [] }) {
  return html`<ol class="routes">
    ${routes.map(
      (each) => html`<li>
        <p><span class="strong">${each.match}</span> ${each.route && html`<span class="quiet">${each.route}</span>`}</p>
        <ul>${each.to.map((to) => html`<${To} of=${to} />`)}</ul>
        ${each.left_out?.length > 0 && html`<${Whys} of=${each.left_out} />`}
      </li>`,
    )}
  </ol>`;
}

function To({ of }) {
  return html`<li>
    <${Share} of=${of.share} />
    <span class="cut" title=${of.cluster}>${of.cluster ?? 'nowhere'}</span>
    ${of.weight !== undefined && html`<span class="quiet">weight ${of.weight}</span>`}
    ${of.refused && html`<${State} state="refused" look="bad" text=${of.refused} />`}
  </li>`;
}

/** A part in percent, as a number and as a bar. */
function Share({ of }) {
  return html`<span class="share"><span class="meter" aria-hidden="true"><span style=${{ width: `${of}%` }} /></span><span class="numeric">${percent(of)}</span></span>`;
}

function Steps({ steps }) {
  return html`<ul class="lines">
    ${steps.map(
      (step) => html`<li>
        <span class="strong">${step.type}</span>
        <${State} state=${step.state} look=${look(step.state)} />
        <span class="cut" title=${step.name}>${step.name}</span>
        <span class="quiet">
          ${step.since && html`for <${Ago} at=${step.since} bare />; `}
          ${step.held && step.held !== step.wanted ? html`has <code>${step.held}</code>, wanted <code>${step.wanted}</code>` : html`<code>${step.wanted ?? ''}</code>`}
        </span>
      </li>`,
    )}
  </ul>`;
}

function Cluster({ of }) {
  const columns = ['Address', 'Share', 'Priority', 'Weight', 'Zone', 'State', 'Why not'];
  return html`<h2 class="cut" title=${of.name}>${of.name}</h2>
    <div class="quiet">${of.arithmetic.map((line) => html`<p class="arithmetic">${line}</p>`)}</div>
    ${of.total > of.endpoints.length && html`<p class="quiet">${of.endpoints.length} of ${of.total} endpoints</p>`}
    ${of.by_dns?.length > 0 &&
    html`<p>${of.by_dns.map((each) => html`<code>${each.host}:${each.port}</code> `)}</p>
      <p class="quiet">Which addresses it finds, its Envoy says: <code>curl ENVOY_ADMIN/clusters</code>.</p>`}
    ${of.problem && html`<p><${Why} why=${of.problem} /></p>`}
    ${of.endpoints.length > 0 &&
    html`<div class="scrolled" tabindex="0" role="region" aria-label=${`Endpoints of ${of.name}`}>
      <table class="plain">
        <thead><tr>${columns.map((name) => html`<th scope="col" class=${NUMERIC.has(name) ? 'numeric' : ''}>${name}</th>`)}</tr></thead>
        <tbody>${of.endpoints.map((each) => html`<${Target} key=${each.address + each.port} of=${each} />`)}</tbody>
      </table>
    </div>`}`;
}

function Target({ of }) {
  return html`<tr>
    <th scope="row">${of.address}${of.port ? `:${of.port}` : ''}</th>
    <td><${Share} of=${of.share} /></td>
    <td class="numeric">${of.priority ?? '–'}</td>
    <td class="numeric">${of.weight}</td>
    <td>${place(of.locality) || '–'}</td>
    <td><${State} state=${of.state} /></td>
    <td>${of.reason ? html`<${Why} why=${of.reason} />` : html`<span class="quiet">–</span>`}</td>
  </tr>`;
}

/** What a resolver asks for before it has an answer, and what that costs. */
function Dns({ of }) {
  return html`<h2>What DNS is asked for</h2>
    <p class="quiet">
      A Pod in that namespace sends ${count(of.queries, 'query', 'queries')}.${of.shortest && html` Call <code>${of.shortest}</code> to send the fewest.`}
    </p>
    <ol class="lines names-asked">
      ${of.asked.map((each) => html`<li><span class="cut" title=${each.name}>${each.name}</span><${State} ...${existence(each)} /></li>`)}
    </ol>`;
}

function existence({ exists }) {
  if (exists === undefined) return { look: 'idle', text: 'other DNS servers know' };
  return exists ? { look: 'good', text: 'exists' } : { look: 'gone', text: 'does not exist' };
}
