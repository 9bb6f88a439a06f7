// How what a proxy was sent differs from what it should have, resource by resource, and line by line.
import { useMemo, useState } from 'preact/hooks';
import { path } from '../api.js';
import { useList, usePage } from '../asking.js';
import { html } from '../html.js';
import { Messages } from '../parts/difference.js';
import { Answer, Empty } from '../parts/notices.js';
import { Facts, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { link, serviceLink } from '../router.js';
import { amounts, count, MEANINGS } from '../words.js';

const PAGE = 100;
const KINDS = ['proxy', 'change', 'nack'];

export function Diff({ node }) {
  const diff = useList(path('proxies', node, 'diff'), { limit: PAGE }, KINDS);
  return html`<${Section} title="Diff" beside=${html`<span class="quiet">what it was sent, against what it should have</span>`}>
    <${Answer} asked=${diff} what="the differences" show=${() => html`<${Differing} node=${node} diff=${diff} />`} />
  <//>`;
}

function Differing({ node, diff }) {
  const { items, next, more, growing, data } = diff;
  const rows = useMemo(() => told(items), [items]);
  if (!items.length) return html`<${Nothing} of=${data.bodies[0]} />`;
  return html`
    <p role="status">${count(items.length, 'resource differs', 'resources differ')}${next ? ' so far' : ''}: ${amounts(tally(items))}</p>
    <ul class="differing">${rows.map(([key, row]) => html`<${Row} key=${key} node=${node} row=${row} />`)}</ul>
    ${next && html`<p class="row"><button onClick=${more} disabled=${growing}>${growing ? 'Loading' : 'More'}</button></p>`}
  `;
}

function tally(items) {
  const found = {};
  for (const { state } of items) found[state] = (found[state] ?? 0) + 1;
  return found;
}

/** Each row with a key. A node that has two streams may have the same resource twice. */
function told(items) {
  const seen = new Map();
  return items.map((row) => {
    const name = `${row.type} ${row.name}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return [`${name} ${seen.get(name)}`, row];
  });
}

function Nothing({ of }) {
  if (!of.types.length) return html`<${Empty} title="Nothing differs: this proxy asks for nothing" />`;
  if (of.in_sync) return html`<${Empty} title="Nothing differs: this proxy has acknowledged everything" />`;
  const states = of.types.filter(({ state }) => state !== 'SYNCED' && state !== 'IDLE');
  return html`<${Empty} title="It was sent what it should have, and has not acknowledged all of it">
    ${states.map(({ type, state }) => html`<${State} state=${state} text=${`${type} ${state}`} /> `)}
  <//>`;
}

/** A resource that differs. Its content is asked for when somebody opens it. */
function Row({ node, row }) {
  const [open, setOpen] = useState(false);
  return html`<li>
    <details onToggle=${(event) => setOpen(event.target.open)}>
      <summary>
        <${State} state=${row.state} />
        <span class="strong">${row.type}</span>
        <span class="cut" title=${row.name}>${row.name}</span>
      </summary>
      ${open && html`<${Content} node=${node} row=${row} />`}
    </details>
  </li>`;
}

function Content({ node, row }) {
  const { type, name } = row;
  const asked = usePage(path('proxies', node, 'diff'), { type, resource: name, content: 'yes' }, KINDS);
  return html`<div class="within">
    <p>${MEANINGS[row.state]}</p>
    <${Facts}
      of=${[
        ['Should have', html`<code>${row.wanted ?? 'nothing'}</code>`],
        ['Was sent', html`<code>${row.held ?? 'nothing'}</code>`],
        ['Service', row.services?.map((each) => html`<a href=${serviceLink(each)}>${each}</a>`)],
      ]}
    />
    <${Answer}
      asked=${asked}
      what="the content"
      show=${({ items }) => html`<${Both} node=${node} of=${items.find((each) => each.state === row.state)} />`}
    />
  </div>`;
}

function Both({ node, of }) {
  if (!of) return html`<p class="quiet">It does not differ any more.</p>`;
  const { wanted, held, wanted_content: after, held_content: before } = of;
  if (wanted === held) {
    const href = link('proxies', node, { type: of.type, resource: of.name });
    return html`<p>Both versions are the same. <a href=${href}>Show its content</a></p>`;
  }
  return html`
    ${held && !before && html`<p class="quiet">Only the proxy knows what it has; below is what it should have.</p>`}
    <${Messages} before=${before} after=${after} />
  `;
}
