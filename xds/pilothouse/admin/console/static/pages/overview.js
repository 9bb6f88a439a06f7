// Whether everything is well, and if not, what needs attention first.
import { useEffect } from 'preact/hooks';
import { useList, usePage } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { Shape, State } from '../parts/state.js';
import { Ago, Until } from '../parts/time.js';
import { link, serviceLink } from '../router.js';
import { count, look, number, PROXY_STATES } from '../words.js';
import { Feed } from './changes.js';
import { SourceTable } from './sources.js';

// What of a change is not called is counted some time after it, and no event says when.
const COUNTED_MS = 3000;

export function Overview() {
  const status = usePage('status', {}, ['change', 'proxy', 'source', 'hold', 'nack']);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || status.reload(), COUNTED_MS);
    return () => clearInterval(timer);
  }, [status.reload]);
  const { version, since } = status.data ?? {};
  return html`<${Page}
    title="Overview"
    beside=${version && html`<span class="quiet">Pilothouse ${version}, running for <${Ago} at=${since} bare /></span>`}
  >
    <${Answer} asked=${status} what="the status" show=${(said) => html`<${Well} said=${said} />`} />
  <//>`;
}

function Well({ said }) {
  const holds = usePage('holds', {}, ['hold']);
  const nacks = usePage('nacks', { limit: 5 }, ['nack', 'proxy']);
  const concerns = attention(said, holds.data?.items ?? [], nacks.data?.items ?? []);
  const [kind, verdict] = said.ready ? ['good', 'Ready'] : ['bad', 'Not ready'];
  const lead = concerns.length ? count(concerns.length, 'thing needs', 'things need') + ' attention.' : 'Nothing needs attention.';
  return html`
    <div class="verdict ${concerns.length && said.ready ? 'warn' : kind}" role="status">
      <${Shape} look=${concerns.length && said.ready ? 'warn' : kind} />
      <p><span class="strong">${verdict}.</span> ${lead}</p>
    </div>
    ${concerns.length > 0 && html`<ul class="concerns" aria-label="What needs attention">${concerns}</ul>`}
    <${Counts} counts=${said.counts} />
    <${Section} title="Latest changes" beside=${html`<a href=${link('changes')}>All changes</a>`}><${Latest} /><//>
    <${Section} title="Sources" beside=${html`<a href=${link('sources')}>Details</a>`}><${Sources} /><//>
  `;
}

/** Each thing that needs attention as a line: what it is, and where to look. */
function attention(said, holds, nacks) {
  const behind = (said.behind ?? []).filter((each) => each.state !== 'NACKED' || !nacks.some(({ node }) => node === each.node));
  const { REFUSED = 0, STALE = 0, NACKED = 0 } = said.counts.proxies;
  const shown = new Set([...behind, ...nacks].map(({ node, peer }) => node || peer));
  const more = REFUSED + STALE + NACKED - shown.size;
  return [
    ...said.reasons.map((reason) => concern('bad', 'not ready', reason, link('sources'))),
    ...holds.map((hold) => {
      const lost = `${hold.source} lost ${count(hold.lost_services, 'service')} and ${count(hold.lost_endpoints, 'endpoint')}`;
      return concern('warn', 'held', html`${lost}; held, ends <${Until} at=${hold.until} />`, link('holds'));
    }),
    ...nacks.map((nack) => concern('bad', 'NACKED', `${nack.node} rejects ${nack.type}: ${nack.text}`, link('nacks'))),
    ...behind.map(({ node, state, peer }) => concern(look(state), state, node || peer, node ? link('proxies', node) : link('proxies', { only: state }))),
    ...(more > 0 ? [concern('warn', 'behind', `${count(more, 'more proxy', 'more proxies')}`, link('proxies', { only: 'behind' }))] : []),
    ...unserved(said),
    ...said.warnings.map((warning) => concern('warn', 'warning', warning, link(warning.includes('quarantine') ? 'services' : 'sources'))),
  ];
}

/** The services that have endpoints of which none is called. */
function unserved({ counts, unserved: first = [] }) {
  const more = (counts.unserved ?? 0) - first.length;
  return [
    ...first.map((name) => concern('bad', 'none called', `${name} has endpoints, but none is called`, serviceLink(name))),
    ...(more > 0 ? [concern('bad', 'none called', count(more, 'more service'), link('services', { only: 'attention' }))] : []),
  ];
}

function concern(kind, text, what, href) {
  return html`<li>
    <a href=${href}><${State} state=${text} look=${kind} text=${text} /><span class="cut">${what}</span></a>
  </li>`;
}

function Counts({ counts }) {
  const { GONE: _, REFUSED: __, ...connected } = counts.proxies;
  const proxies = Object.values(connected).reduce((sum, each) => sum + each, 0);
  const states = PROXY_STATES.filter((state) => counts.proxies[state]);
  const reasons = Object.entries(counts.left_out);
  return html`<div class="tiles">
    <a class="tile" href=${link('services')}>
      <h2>Services</h2>
      <p class="figure">${number(counts.services)}</p>
      <p class="quiet">${counts.quarantined ? html`<${State} state="quarantined" look="bad" text=${`${counts.quarantined} quarantined`} />` : 'none is quarantined'}</p>
    </a>
    <a class="tile" href=${link('endpoints')}>
      <h2>Endpoints</h2>
      <p class="figure">${number(counts.endpoints)}</p>
      <p class="quiet">${counts.unserved ? `${count(counts.unserved, 'service')} with none called` : 'of all services'}</p>
    </a>
    <a class="tile broad" href=${link('proxies')}>
      <h2>Proxies</h2>
      <p class="figure">${number(proxies)}</p>
      <p class="states">
        ${states.map((state) => html`<${State} state=${state} text=${`${number(counts.proxies[state])} ${state}`} />`)}
        ${!states.length && html`<span class="quiet">none is connected</span>`}
      </p>
    </a>
    <div class="tile broad">
      <h2>Left out, by reason</h2>
      ${reasons.length
        ? html`<${Facts} of=${reasons.map(([code, value]) => [code, number(value)])} />`
        : html`<p class="quiet">Everything reaches the proxies.</p>`}
    </div>
  </div>`;
}

function Latest() {
  const changes = useList('changes', { limit: 6 }, ['change']);
  return html`<${Answer}
    asked=${changes}
    what="changes"
    show=${() => (changes.items.length ? html`<${Feed} changes=${changes.items.slice(0, 6)} />` : html`<${Empty} title="Nothing has changed yet" />`)}
  />`;
}

function Sources() {
  const sources = useList('sources', {}, ['source', 'hold']);
  return html`<${Answer}
    asked=${sources}
    what="sources"
    show=${() => (sources.items.length ? html`<${SourceTable} sources=${sources.items} />` : html`<${Empty} title="No source" />`)}
  />`;
}
