// One service: how it stands, its endpoints by zone, where its requests go, and what has changed.
import { useList, usePage } from '../asking.js';
import { path } from '../api.js';
import { html } from '../html.js';
import { Answer, Empty, Failed } from '../parts/notices.js';
import { Facts, Page, Section, Why, Whys } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, serviceLink } from '../router.js';
import { count, health, number, place, port } from '../words.js';
import { Feed } from './changes.js';
import { ServiceEndpoints } from './endpoints.js';
import { Routes } from './explain.js';

export function Service({ parts: [namespace, name] }) {
  const service = usePage(path('services', namespace, name), {}, ['change', 'nack']);
  const full = `${namespace}/${name}`;
  return html`<${Page}
    title=${full}
    beside=${html`<a class="button" href=${link('explain', { name: full })}>Explain</a>`}
  >
    <${Answer}
      asked=${service}
      what="the service"
      show=${(said) => html`<${Detail} said=${said} full=${full} />`}
      missing=${(error) => html`<${Unknown} error=${error} full=${full} />`}
    />
  <//>`;
}

function Unknown({ error, full }) {
  return html`
    <${Failed} error=${error}>
      ${error.near?.length > 0 && html`<p>Did you mean ${error.near.map((each, at) => html`${at > 0 && ', '}<a href=${serviceLink(each)}>${each}</a>`)}?</p>`}
    <//>
    <${Section} title="What has become of it"><${History} full=${full} /><//>
  `;
}

function Detail({ said, full }) {
  const { total, ready, called } = said.endpoints;
  const stands = health({ ...said, endpoints: total, ready, called });
  const leads = said.answered_by;
  return html`
    <div class="summary">
      <${State} ...${stands} />
      <span>${number(ready)} of ${count(total, 'endpoint')} ready, ${number(called)} called</span>
      ${said.changed && html`<span class="quiet">changed <${Ago} at=${said.changed} /></span>`}
    </div>
    ${said.quarantined && html`<${Quarantined} of=${said.quarantined} />`}
    <${Facts}
      of=${[
        ['Source', said.source],
        ['Declared at', said.place],
        ['Ports', said.ports.map(port)],
        ['Virtual IPs', said.virtual_ips],
        ['Hosts', said.hosts],
        ['Exported to', said.exported_to ? (said.exported_to.length ? said.exported_to : 'no namespace') : 'all namespaces'],
        ['Routes', said.routes],
        ['Policy', Object.entries(said.policy).map((each) => each.join(' '))],
        ['Answered by', leads && html`<a href=${serviceLink(leads)}>${leads}</a>`],
        ['External name', said.external_name],
      ]}
    />
    ${said.left_out.length > 0 && html`<${Section} title="Left out"><${Whys} of=${said.left_out} /><//>`}
    <${Endpoints} full=${full} />
    <${Section} title="Where requests go"><${Walk} full=${full} namespace=${said.namespace} /><//>
    <${Section} title="History" beside=${html`<a href=${link('changes', { service: full })}>All changes</a>`}><${History} full=${full} /><//>
  `;
}

function Quarantined({ of }) {
  return html`<div class="failed">
    <p class="strong"><${State} state="quarantined" look="bad" text="quarantined" /> since <${Ago} at=${of.since} bare /></p>
    <p>${of.reason}</p>
    <p class="quiet">${of.served ? 'Its last good version is served.' : 'Nothing of it is served.'}</p>
  </div>`;
}

function Endpoints({ full }) {
  const endpoints = useList('endpoints', { service: full }, ['change']);
  const { items, next, more, growing } = endpoints;
  const zones = items.length ? byZone(items) : [];
  return html`<${Section} title="Endpoints">
    <${Answer}
      asked=${endpoints}
      what="endpoints"
      show=${() =>
        items.length
          ? html`<${Zones} zones=${zones} /><${ServiceEndpoints} rows=${zones.flatMap(([, rows]) => rows)} more=${next && more} growing=${growing} />`
          : html`<${Empty} title="There are no endpoints">No source has reported any for this service.<//>`}
    />
  <//>`;
}

/** The endpoints by zone, `[zone, rows]`, in the order of the zones' names. */
function byZone(items) {
  const zones = new Map();
  for (const row of items) {
    const zone = place(row.locality) || 'no zone';
    zones.set(zone, [...(zones.get(zone) ?? []), row]);
  }
  return [...zones].sort(([a], [b]) => a.localeCompare(b));
}

function Zones({ zones }) {
  return html`<ul class="zones" aria-label="Endpoints by zone">
    ${zones.map(([zone, rows]) => {
      const called = rows.filter((row) => row.called === 'yes' || row.called === 'partly');
      const weight = called.reduce((sum, row) => sum + row.weight, 0);
      return html`<li>
        <span class="cut" title=${zone}>${zone}</span>
        <${Meter} part=${called.length} whole=${rows.length} />
        <span class="quiet">${called.length} of ${rows.length} called, weight ${weight}</span>
      </li>`;
    })}
  </ul>`;
}

/** A part of a whole as a bar. The numbers are beside it. */
function Meter({ part, whole }) {
  const kind = part === whole ? 'good' : part ? 'warn' : 'bad';
  return html`<span class="meter ${kind}" aria-hidden="true"><span style=${{ width: `${(100 * part) / whole}%` }} /></span>`;
}

function Walk({ full, namespace }) {
  const explained = usePage('explain', { name: full, namespace }, ['change']);
  return html`<${Answer}
    asked=${explained}
    what="routes"
    show=${(said) => html`
      <p class="quiet">
        For a client in namespace ${namespace} that is in no zone.${' '}
        <a href=${link('explain', { name: full, namespace })}>Explain it for another client</a>
      </p>
      ${said.problem && html`<p><${Why} why=${said.problem} /></p>`}
      <${Routes} routes=${said.routes} />
    `}
  />`;
}

function History({ full }) {
  const changes = useList('changes', { service: full, limit: 20 }, ['change']);
  return html`<${Answer}
    asked=${changes}
    what="changes"
    show=${() =>
      changes.items.length
        ? html`<${Feed} changes=${changes.items} about=${full} />`
        : html`<${Empty} title="No change is remembered">The control plane remembers the latest changes only.<//>`}
  />`;
}
