// What has changed, as it happens.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Choice, Cut, Page, Search } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, replace, serviceLink } from '../router.js';
import { count, number, progress, told, wanting } from '../words.js';

export const SINCE = [
  ['', 'All'],
  ['10m', '10 min'],
  ['1h', '1 h'],
  ['1d', '1 day'],
];
const PAGE = 100;
const NAME = /^[^/\s]+\/[^/\s]+$/;

export function Changes({ query }) {
  const { service = '', since = '' } = query;
  // Half of a name is not asked for.
  const asked = NAME.test(service) ? service : '';
  const changes = useList('changes', { service: asked, since, limit: PAGE }, ['change']);
  const narrow = (more) => replace(link('changes', { service, since, ...more }));
  return html`<${Page}
    title="Changes"
    beside=${html`
      <${Choice} label="Since when" options=${SINCE} value=${since} onChange=${(value) => narrow({ since: value })} />
      <${Search} label="NAMESPACE/NAME" value=${service} onInput=${(value) => narrow({ service: value })} />
    `}
  >
    <${Answer} asked=${changes} what="changes" show=${() => html`<${Listed} changes=${changes} narrowed=${asked || since} about=${asked} />`} />
  <//>`;
}

function Listed({ changes, narrowed, about }) {
  const { items, next, more, growing } = changes;
  if (!items.length) {
    return narrowed
      ? html`<${Empty} title="Nothing of that has changed">Look further back, or at all services.<//>`
      : html`<${Empty} title="Nothing has changed yet" />`;
  }
  return html`
    <${Feed} changes=${items} about=${about} />
    ${next && html`<p class="row"><button onClick=${more} disabled=${growing}>${growing ? 'Loading' : 'Older changes'}</button></p>`}
  `;
}

/** Changes, the newest first: of each when, what, where from, and who has it. `about` is the one service to show. */
export function Feed({ changes, about }) {
  return html`<ol class="feed">
    ${changes.map((change) => html`<${Entry} key=${change.number} change=${change} about=${about} />`)}
  </ol>`;
}

function Entry({ change, about }) {
  const { services, touched } = change;
  const shown = about ? services.filter((each) => each.service === about) : services.slice(0, 3);
  const more = about ? 0 : touched - shown.length;
  const where = change.place ?? services[0]?.place;
  return html`<li>
    <a class="when" href=${link('changes', String(change.number))}>
      <span class="number"><span class="unseen">Change </span>${number(change.number)}</span>
      <${Ago} at=${change.at} />
    </a>
    <div class="what">
      ${shown.map(
        (each) => html`<p>
          <a class="cut" href=${serviceLink(each.service)} title=${each.service}>${each.service}</a>
          <span class="cut" title=${each.what}>${each.what ?? 'reported'}</span>
        </p>`,
      )}
      ${more > 0 && html`<p class="quiet">and ${count(more, 'more service')}</p>`}
      <p class="quiet"><${Cut} text=${where ? `${change.source}, ${where}` : change.source} /></p>
    </div>
    <div class="who">
      <${State} ...${progress(change.published)} />
      ${change.published && wanting(change.published) > 0 && html`<span class="quiet">${told(change.published)}</span>`}
    </div>
  </li>`;
}
