// The sources: what each has reported, what it cannot read, and since when it fails.
import { useList } from '../asking.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { State } from '../parts/state.js';
import { Ago } from '../parts/time.js';
import { link } from '../router.js';
import { count, number } from '../words.js';

export function Sources() {
  const sources = useList('sources', {}, ['source', 'hold']);
  return html`<${Page} title="Sources" lead="Where services come from. While a source fails, its last report stays in force.">
    <${Answer}
      asked=${sources}
      what="sources"
      show=${() => (sources.items.length ? sources.items.map((each) => html`<${Source} key=${each.name} of=${each} />`) : html`<${Empty} title="There is no source" />`)}
    />
  <//>`;
}

function standing({ synced, stale, faults, unknown, warnings }) {
  if (!synced) return { look: 'busy', text: 'waiting' };
  if (stale) return { look: 'bad', text: 'stale' };
  if (faults.length) return { look: 'warn', text: count(faults.length, 'fault') };
  if (unknown.length) return { look: 'warn', text: count(unknown.length, 'unknown place') };
  return warnings.length ? { look: 'warn', text: count(warnings.length, 'warning') } : { look: 'good', text: 'ok' };
}

function Source({ of }) {
  return html`<${Section} title=${of.name} beside=${html`<${State} ...${standing(of)} />`}>
    <p class="noted">${of.state}</p>
    <${Facts}
      of=${[
        ['Services', number(of.services)],
        ['Last report', html`<${Ago} at=${of.last_report} />`],
        ['Stale since', of.stale_since && html`<${Ago} at=${of.stale_since} />`],
        ['Error', of.error],
      ]}
    />
    <${Faults} title="Cannot be read" faults=${of.faults} kind="bad" />
    <${Faults} title="Warnings" faults=${of.warnings} kind="warn" />
    ${of.unknown.length > 0 &&
    html`<h3>Unknown</h3>
      <p class="quiet">These places cannot be read and have no good version, so nothing is removed that may be declared there.</p>
      <ul class="whys">${of.unknown.map((place) => html`<li class="said">${place}</li>`)}</ul>`}
  <//>`;
}

function Faults({ title, faults, kind }) {
  if (!faults.length) return null;
  return html`<h3>${title}</h3>
    <ul class="faults ${kind}">
      ${faults.map(
        (fault) => html`<li>
          <p class="said strong">${fault.place}</p>
          <p>${fault.field && html`<code>${fault.field}</code> `}${fault.message}</p>
          <p class="quiet">${[fault.in_force, fault.code].filter(Boolean).join('; ')}</p>
        </li>`,
      )}
    </ul>`;
}

/** The sources in a line each. */
export function SourceTable({ sources }) {
  return html`<ul class="lines">
    ${sources.map(
      (each) => html`<li key=${each.name}>
        <a class="cut" href=${link('sources')}>${each.name}</a>
        <${State} ...${standing(each)} />
        <span class="cut quiet" title=${each.state}>${each.state}</span>
        <span class="quiet">${count(each.services, 'service')}, last report <${Ago} at=${each.last_report} /></span>
      </li>`,
    )}
  </ul>`;
}
