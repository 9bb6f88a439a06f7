// Losses that are not believed yet, and the orders that end them.
import { useState } from 'preact/hooks';
import { path } from '../api.js';
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Order } from '../parts/dialogs.js';
import { Answer, Empty } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago, Until } from '../parts/time.js';
import { serviceLink } from '../router.js';
import { count, number } from '../words.js';

export function Holds() {
  const holds = useList('holds', {}, ['hold', 'source']);
  return html`<${Page}
    title="Holds"
    lead="A source has lost much at once without saying that it was removed. Until the hold ends, what is lost stays in force."
  >
    <${Answer}
      asked=${holds}
      what="holds"
      show=${() =>
        holds.items.length
          ? holds.items.map((each) => html`<${Hold} key=${each.source} of=${each} />`)
          : html`<${Empty} title="Nothing is held">Every loss that a source has reported is believed.<//>`}
    />
  <//>`;
}

function Hold({ of }) {
  const [order, setOrder] = useState(null);
  const more = of.lost_services - of.services.length;
  return html`<${Section}
    title=${of.source}
    beside=${html`
      <${State} state="held" look="warn" text="held" />
      <button onClick=${() => setOrder('reject')}>Reject the loss</button>
      <button class="danger" onClick=${() => setOrder('release')}>Release</button>
    `}
  >
    <${Facts}
      of=${[
        ['Lost services', number(of.lost_services)],
        ['Lost endpoints', number(of.lost_endpoints)],
        ['Held', html`<${Ago} at=${of.since} />`],
        ['Ends', html`<${Until} at=${of.until} />`],
      ]}
    />
    <ul class="names">
      ${of.services.map((name) => html`<li><a class="cut" href=${serviceLink(name)} title=${name}>${name}</a></li>`)}
    </ul>
    ${more > 0 && html`<p class="quiet">and ${count(more, 'more service')}</p>`}
    ${order &&
    html`<${Order}
      title=${order === 'release' ? `Believe the loss of ${of.source}` : `Keep what ${of.source} has lost`}
      verb=${order === 'release' ? 'Release' : 'Reject'}
      danger=${order === 'release'}
      page=${path('holds', of.source, order)}
      onEnd=${() => setOrder(null)}
    >
      <p>
        ${order === 'release'
          ? `${count(of.lost_services, 'service')} and ${count(of.lost_endpoints, 'endpoint')} are taken from all proxies now.`
          : 'The loss stays unbelieved, and what is lost stays in force.'}
      </p>
    <//>`}
  <//>`;
}
