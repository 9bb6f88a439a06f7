// What proxies rejected, which losses were held, and what operators did: also what is over.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Page } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, replace, serviceLink } from '../router.js';
import { SINCE } from './changes.js';

const PAGE = 100;
const KINDS = [
  ['', 'All'],
  ['nack', 'NACKs'],
  ['hold', 'Holds'],
  ['order', 'Orders'],
];
const LOOKS = { nack: 'bad', hold: 'warn', order: 'busy' };

export function Notes({ query }) {
  const { since = '', kind = '' } = query;
  const notes = useList('notes', { since, limit: PAGE }, ['nack', 'hold', 'proxy', 'change']);
  const narrow = (more) => replace(link('notes', { since, kind, ...more }));
  return html`<${Page}
    title="Notes"
    lead="What proxies rejected, which losses were held, and what operators did. What is over is here too."
    beside=${html`
      <${Choice} label="Which notes" options=${KINDS} value=${kind} onChange=${(value) => narrow({ kind: value })} />
      <${Choice} label="Since when" options=${SINCE} value=${since} onChange=${(value) => narrow({ since: value })} />
    `}
  >
    <${Answer} asked=${notes} what="notes" show=${() => html`<${Listed} notes=${notes} kind=${kind} narrowed=${since || kind} />`} />
  <//>`;
}

function Listed({ notes, kind, narrowed }) {
  const { items, next, more, growing } = notes;
  const shown = kind ? items.filter((each) => each.kind === kind) : items;
  return html`
    ${shown.length > 0 && html`<ol class="feed">${shown.map((each) => html`<${Note} key=${each.number} of=${each} />`)}</ol>`}
    ${!shown.length && html`<${Empty} title=${narrowed ? 'Nothing like that was noted' : 'Nothing was noted yet'}>${next && 'There are older notes.'}<//>`}
    ${next && html`<p class="row"><button onClick=${more} disabled=${growing}>${growing ? 'Loading' : 'Older notes'}</button></p>`}
  `;
}

function Note({ of }) {
  return html`<li>
    <span class="when"><${Ago} at=${of.at} /></span>
    <div class="what">
      <p><span class="said">${of.what}</span></p>
      <p class="quiet noted"><span>by <${Who} of=${of} /></span>${of.about && html`<span class="about">about <${About} of=${of} /></span>`}</p>
    </div>
    <div class="who"><${State} state=${of.kind} look=${LOOKS[of.kind]} text=${of.kind} /></div>
  </li>`;
}

function Who({ of: { kind, who } }) {
  if (kind === 'nack') return html`<a href=${link('proxies', who)}>${who}</a>`;
  return kind === 'hold' ? html`<a href=${link('sources')}>${who}</a>` : html`<span class="strong">${who}</span>`;
}

function About({ of: { kind, what, about } }) {
  if (kind === 'nack') return html`<a href=${serviceLink(about)}>${about}</a>`;
  if (kind === 'hold') return html`<a href=${link('holds')}>${about}</a>`;
  return what.startsWith('disconnect') ? html`<a href=${link('proxies', about)}>${about}</a>` : about;
}
