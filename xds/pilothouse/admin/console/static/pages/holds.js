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
  const [order, setOrder] = useState(null); // here, because a hold that is released is gone before its answer is read
  return html`<${Page}
    title="Holds"
    lead="A source has lost much at once without saying that it was removed. Until the hold ends, what is lost stays in force."
  >
    <${Answer}
      asked=${holds}
      what="holds"
      show=${() =>
        holds.items.length
          ? holds.items.map((each) => html`<${Hold} key=${each.source} of=${each} order=${(verb) => setOrder({ of: each, verb })} />`)
          : html`<${Empty} title="No loss is held">Every loss that a source has reported is believed.<//>`}
    />
    ${order && html`<${Ordering} ...${order} onEnd=${() => setOrder(null)} />`}
  <//>`;
}

function Hold({ of, order }) {
  const more = of.lost_services - of.services.length;
  return html`<${Section}
    title=${of.source}
    beside=${html`
      <${State} state="held" look="warn" text="held" />
      <button onClick=${() => order('reject')}>Reject the loss</button>
      <button class="danger" onClick=${() => order('release')}>Release</button>
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
  <//>`;
}

function Ordering({ of, verb, onEnd }) {
  const isRelease = verb === 'release';
  return html`<${Order}
    title=${isRelease ? `Believe the loss of ${of.source}` : `Keep what ${of.source} has lost`}
    verb=${isRelease ? 'Release' : 'Reject'}
    danger=${isRelease}
    page=${path('holds', of.source, verb)}
    onEnd=${onEnd}
  >
    <p>
      ${isRelease
        ? `${count(of.lost_services, 'service')} and ${count(of.lost_endpoints, 'endpoint')} are taken from all proxies now.`
        : 'What is lost is kept for another time of a hold.'}
    </p>
  <//>`;
}
