// The trace of one change: from its source to each proxy's answer.
import { useState } from 'preact/hooks';
import { path } from '../api.js';
import { usePage } from '../asking.js';
import { html } from '../html.js';
import { ADDED, CHANGED, REMOVED } from '../lines.js';
import { Line } from '../parts/difference.js';
import { Answer } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link, serviceLink } from '../router.js';
import { count, NOBODY, number, progress, seconds, wanting } from '../words.js';

const FEW = 10; // so many proxies are shown at first

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
  const { published, delay = 0 } = said;
  const heard = new Date(Date.parse(said.at) - 1000 * delay).toISOString();
  return html`
    <ol class="trace" aria-label="What has happened to it">
      <${Step} look="good" title=${`The source ${said.source} hears of it`} at=${heard}>
        ${said.place && html`<p class="said">${said.place}</p>`}
      <//>
      <${Step} look="good" title=${`The registry notes it: ${count(said.touched, 'service')}`} at=${said.at} after=${delay} />
      ${published
        ? html`<${Published} of=${published} heard=${heard} /><${Answers} said=${said} />`
        : html`<${Step} look="busy" title="Not published yet" />`}
    </ol>
    ${published?.answered?.length > 0 && html`<${Times} of=${published} />`}
    <${Section} title="What has changed">
      <ul class="list-of">${said.services.map((each) => html`<${Changed} key=${each.service} of=${each} />`)}</ul>
      ${said.touched > said.services.length && html`<p class="quiet">and ${count(said.touched - said.services.length, 'more service')}</p>`}
    <//>
  `;
}

/** `after` is in seconds, from the moment when the source has heard of the change. */
function Step({ look, title, at, after, children }) {
  return html`<li class=${look}>
    <p class="strong">${title}</p>
    ${at && html`<p class="quiet">${after !== undefined && html`<span class="after">+ ${seconds(after)}</span> `}${at}, <${Ago} at=${at} /></p>`}
    ${children}
  </li>`;
}

function Published({ of, heard }) {
  const after = Math.max(0, Date.parse(of.at) - Date.parse(heard)) / 1000;
  const whom = of.proxies ? count(of.proxies, 'proxy', 'proxies') : `${NOBODY}.`;
  return html`<${Step} look="good" title="Published" at=${of.at} after=${after}><p>${whom}</p><//>`;
}

function Answers({ said }) {
  const { published, waiting_for: waiting = [] } = said;
  const { proxies, acknowledged, rejected, outstanding, left, unneeded, unknown, waited } = published;
  if (!proxies) return null;
  const [look, title] = ended(published);
  return html`<${Step} look=${look} title=${title}>
    ${waited !== undefined &&
    html`<p class="quiet">
      <span class="after">+ ${seconds(waited)}</span> ${outstanding ? 'latest answer so far' : 'last answer'}, of${' '}
      <a href=${link('proxies', published.slowest)}>${published.slowest}</a>
    </p>`}
    <${Bar} of=${published} />
    <${Facts}
      of=${[
        ['Acknowledged', number(acknowledged)],
        ['Outstanding', outstanding ? number(outstanding) : ''],
        ['Rejected', rejected ? number(rejected) : ''],
        ['Left without an answer', left ? number(left) : ''],
        ['Unknown, as the process ended before their answers', unknown ? number(unknown) : ''],
        ['Lacked nothing of it', unneeded ? number(unneeded) : ''],
      ]}
    />
    <${Nodes} title="Not answered by" state="SENDING" nodes=${waiting} count=${outstanding || unknown} />
    <${Nodes} title="Left without an answer" state="GONE" nodes=${published.left_by} count=${left} />
    <${Nodes} title="Rejected by" state="NACKED" nodes=${published.rejected_by} count=${rejected} />
  <//>`;
}

/** How long each proxy took, the slowest first. */
function Times({ of }) {
  const [all, setAll] = useState(false);
  const slowest = [...of.answered].sort((a, b) => b.after - a.after);
  const shown = all ? slowest : slowest.slice(0, FEW);
  const most = Math.max(slowest[0].after, 0.001);
  return html`<${Section} title="How long each proxy took" beside=${html`<span class="quiet">from the source to its answer, the slowest first</span>`}>
    <div class="scrolled" tabindex="0" role="region" aria-label="Times of the proxies">
      <table class="plain times">
        <thead><tr><th scope="col">Proxy</th><th scope="col" class="numeric">After</th><th scope="col" class="wide"><span class="unseen">Share of the longest time</span></th><th scope="col">Answer</th></tr></thead>
        <tbody>
          ${shown.map(
            ({ node, after, type, rejected }, at) => html`<tr key=${`${node} ${at}`}>
              <th scope="row"><a class="cut" href=${link('proxies', node)} title=${node}>${node}</a> ${type}</th>
              <td class="numeric">${seconds(after)}</td>
              <td class="wide"><span class="meter" aria-hidden="true"><span style=${{ width: `${(100 * after) / most}%` }} /></span></td>
              <td>${rejected ? html`<${State} state="rejected" />` : html`<${State} state="acknowledged" />`}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <p class="row">
      ${slowest.length > FEW && html`<button onClick=${() => setAll(!all)}>${all ? `Show the slowest ${FEW}` : `Show the slowest ${slowest.length}`}</button>`}
      ${of.answered.length > shown.length && html`<span class="quiet">and ${number(of.answered.length - shown.length)} more, which took no longer</span>`}
    </p>
  <//>`;
}

/** What a change did to a service: in words, and then each value before and after. */
function Changed({ of }) {
  const { endpoints, fields = [] } = of;
  return html`<li class="within-list">
    <p><a class="strong" href=${serviceLink(of.service)}>${of.service}</a> ${of.what ?? 'reported'}</p>
    ${of.place && html`<p class="quiet said">${of.place}</p>`}
    ${(endpoints || fields.length > 0) &&
    html`<dl class="values">
      ${endpoints && html`<${Values} name="endpoints" note=${`${number(endpoints.before)} before, ${number(endpoints.after)} after`} lines=${addresses(endpoints)} />`}
      ${fields.map((each) => html`<${Values} key=${each.name} name=${each.name.replaceAll('_', ' ')} lines=${values(each)} />`)}
    </dl>`}
  </li>`;
}

function Values({ name, note, lines }) {
  return html`<div>
    <dt>${name}</dt>
    <dd>${note && html`<span class="quiet">${note}</span>`}<div class="said">${lines.map((line) => html`<${Line} of=${line} />`)}</div></dd>
  </div>`;
}

function addresses({ added, removed, changed }) {
  return [...named(REMOVED, removed), ...named(CHANGED, changed), ...named(ADDED, added)];
}

function named(sign, some) {
  if (!some) return [];
  const more = some.count - some.first.length;
  const rest = more > 0 ? [{ sign, text: `and ${number(more)} more` }] : [];
  return [...some.first.map((text) => ({ sign, text })), ...rest];
}

function values({ before, after }) {
  return [...(before ? [{ sign: REMOVED, text: before }] : []), ...(after ? [{ sign: ADDED, text: after }] : [])];
}

function ended({ rejected, outstanding, left, unknown, unneeded = 0, proxies }) {
  if (outstanding) return ['busy', 'Waiting for answers'];
  if (left || unknown) return ['bad', 'Not answered by all'];
  if (rejected) return ['bad', 'Answered, and rejected by some'];
  return unneeded === proxies ? ['idle', 'No proxy lacked it'] : ['good', 'Answered by all'];
}

/** The answers as parts of a bar; the facts below have their numbers. */
function Bar({ of }) {
  const { acknowledged, rejected, left, unknown = 0 } = of;
  const part = (kind, value) => value > 0 && html`<span class=${kind} style=${{ width: `${(100 * value) / wanting(of)}%` }} />`;
  return html`<div class="bar" aria-hidden="true">${part('good', acknowledged)}${part('bad', rejected)}${part('gone', left + unknown)}</div>`;
}

/** The first of so many proxies. */
function Nodes({ title, nodes = [], state, count: all }) {
  if (!nodes.length) return null;
  return html`<p>${title}</p>
    <ul class="nodes">
      ${nodes.map((node) => html`<li><${State} state=${state} text="" /><a class="cut" href=${link('proxies', node)} title=${node}>${node}</a></li>`)}
      ${all > nodes.length && html`<li class="quiet">and ${number(all - nodes.length)} more</li>`}
    </ul>`;
}
