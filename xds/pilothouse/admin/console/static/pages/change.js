// The trace of one change: from its source to each proxy's answer.
import { path } from '../api.js';
import { usePage } from '../asking.js';
import { html } from '../html.js';
import { Answer } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, serviceLink } from '../router.js';
import { count, number, progress, seconds } from '../words.js';

export function Change({ parts: [id] }) {
  const change = usePage(path('changes', id), {}, ['change', 'proxy']);
  return html`<${Page}
    title=${`Change ${id}`}
    beside=${change.data && html`<${State} ...${progress(change.data.published)} />`}
  >
    <${Answer} asked=${change} what="the change" show=${(said) => html`<${Trace} said=${said} />`} />
  <//>`;
}

function Trace({ said }) {
  const { published } = said;
  return html`
    <ol class="trace" aria-label="What has happened to it">
      <${Step} look="good" title=${`Reported by ${said.source}`} at=${said.at}>
        <p class="said">${said.place}</p>
        <p>${count(said.touched, 'service')}</p>
      <//>
      ${published ? html`<${Published} said=${said} />` : html`<${Step} look="busy" title="Not published yet" />`}
      ${published && html`<${Answers} said=${said} />`}
    </ol>
    <${Section} title="What has changed">
      <ul class="changed">
        ${said.services.map(
          (each) => html`<li>
            <p><a href=${serviceLink(each.service)}>${each.service}</a> ${each.what ?? 'reported'}</p>
            ${each.place && html`<p class="quiet said">${each.place}</p>`}
          </li>`,
        )}
      </ul>
      ${said.touched > said.services.length && html`<p class="quiet">and ${count(said.touched - said.services.length, 'more service')}</p>`}
    <//>
  `;
}

function Step({ look, title, at, after, children }) {
  return html`<li class=${look}>
    <p class="strong">${title}</p>
    ${at && html`<p class="quiet">${at}, <${Ago} at=${at} />${after && `, ${after}`}</p>`}
    ${children}
  </li>`;
}

function since(from, to) {
  return `${seconds(Math.max(0, Date.parse(to) - Date.parse(from)) / 1000)} after the report`;
}

function Published({ said: { at, published } }) {
  const { proxies, answers } = published;
  const whom = answers ? `${count(proxies, 'proxy', 'proxies')}, ${count(answers, 'answer')} expected` : 'No proxy wants it.';
  return html`<${Step} look="good" title="Published" at=${published.at} after=${since(at, published.at)}><p>${whom}</p><//>`;
}

function Answers({ said }) {
  const { published, waiting_for: waiting = [] } = said;
  const { answers, acknowledged, rejected, outstanding, left } = published;
  if (!answers) return null;
  const [look, title] = ended(published);
  return html`<${Step} look=${look} title=${title}>
    <${Bar} of=${published} />
    <${Facts}
      of=${[
        ['Acknowledged', number(acknowledged)],
        ['Outstanding', outstanding ? number(outstanding) : ''],
        ['Rejected', rejected ? number(rejected) : ''],
        ['Streams that ended', left ? number(left) : ''],
        ['Slowest', published.slowest && html`<a href=${link('proxies', published.slowest)}>${published.slowest}</a>`],
        ['Waited', published.waited === undefined ? '' : seconds(published.waited)],
      ]}
    />
    ${waiting.length > 0 && html`<p>Not answered by</p><${Nodes} state="SENDING" nodes=${waiting} />`}
    ${published.rejected_by?.length > 0 && html`<p>Rejected by</p><${Nodes} state="NACKED" nodes=${published.rejected_by} />`}
  <//>`;
}

function ended({ rejected, outstanding }) {
  if (outstanding) return ['busy', 'Waiting for answers'];
  return rejected ? ['bad', 'Answered, and rejected by some'] : ['good', 'Answered by all'];
}

/** The answers as parts of a bar; the facts below have their numbers. */
function Bar({ of: { answers, acknowledged, rejected, left } }) {
  const part = (kind, value) => value > 0 && html`<span class=${kind} style=${{ width: `${(100 * value) / answers}%` }} />`;
  return html`<div class="bar" aria-hidden="true">${part('good', acknowledged)}${part('bad', rejected)}${part('gone', left)}</div>`;
}

function Nodes({ nodes, state }) {
  return html`<ul class="nodes">
    ${nodes.map((node) => html`<li><${State} state=${state} text="" /><a class="cut" href=${link('proxies', node)} title=${node}>${node}</a></li>`)}
  </ul>`;
}
