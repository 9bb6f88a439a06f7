// What proxies reject, and which services that is about.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Cut, Page } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, serviceLink } from '../router.js';

export function Nacks() {
  const nacks = useList('nacks', { limit: 100 }, ['nack', 'proxy', 'change']);
  const { items, next, more, growing } = nacks;
  return html`<${Page} title="NACKs" lead="What proxies have rejected and not accepted since. Each keeps its last good configuration.">
    <${Answer}
      asked=${nacks}
      what="rejections"
      show=${() =>
        items.length
          ? html`<ul class="nacks">${items.map((each) => html`<${Nack} key=${each.node + each.type + each.peer} of=${each} />`)}</ul>
              ${next && html`<p class="row"><button onClick=${more} disabled=${growing}>More</button></p>`}`
          : html`<${Empty} title="No proxy rejects anything">Every proxy has accepted what it was sent, or has not answered yet. What was taken back for it, the overview names.<//>`}
    />
  <//>`;
}

function Nack({ of }) {
  return html`<li class="failed">
    <p class="row">
      <${State} state="NACKED" />
      <span class="strong">${of.type}</span>
      <a class="cut" href=${link('proxies', of.node)} title=${of.node}>${of.node}</a>
      <span class="quiet">for <${Ago} at=${of.since} bare /></span>
    </p>
    <p class="said">${of.text}</p>
    ${of.resource && html`<p><code><${Cut} text=${of.resource} /></code></p>`}
    ${of.services?.map(
      (each) => html`<p>
        <a href=${serviceLink(each.service)}>${each.service}</a>
        ${each.quarantined && html` <${State} state="quarantined" look="bad" text="quarantined" />`}
        ${each.change && html` <a href=${link('changes', String(each.change))}>change ${each.change}</a>`}
        ${each.place && html` <span class="quiet said">${each.place}</span>`}
      </p>`,
    )}
    ${!of.services?.length && html`<p class="quiet">The text names no service.</p>`}
  </li>`;
}
