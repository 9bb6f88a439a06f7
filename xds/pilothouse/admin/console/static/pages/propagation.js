// How long changes take from their source to the last answer of a proxy.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { useList, usePage } from '../asking.js';
import { isDark } from '../colours.js';
import { html } from '../html.js';
import { Answer, Empty } from '../parts/notices.js';
import { Facts, Page, Section } from '../parts/page.js';
import { go, link } from '../router.js';
import { useStore } from '../store.js';
import { count, number, percent, progress, seconds } from '../words.js';

const HEIGHT = 260;
const SHOWN = 1000;

export function Propagation() {
  const sources = usePage('propagation', {}, ['change']);
  const changes = useList('changes', { limit: SHOWN }, ['change']);
  return html`<${Page} title="Propagation" lead="From a change at its source to the last answer of a proxy.">
    <${Section} title="Each change">
      <${Answer} asked=${changes} what="changes" show=${() => html`<${Timeline} changes=${changes.items.slice(0, SHOWN)} />`} />
    <//>
    <${Answer}
      asked=${sources}
      what="propagation"
      show=${({ items }) =>
        items.length ? items.map((each) => html`<${Source} key=${each.source} of=${each} />`) : html`<${Empty} title="No source has changed anything yet" />`}
    />
  <//>`;
}

/** Each change as a point: when it was reported, and how long its last answer took. */
function Timeline({ changes }) {
  const points = useMemo(() => changes.filter((each) => each.published?.waited !== undefined).reverse(), [changes]);
  const place = useRef(null);
  const dark = useStore(isDark);
  useEffect(() => {
    if (!points.length) return undefined;
    const drawn = draw(place.current, points);
    return () => drawn.then((end) => end());
  }, [points, dark]);
  if (!points.length) return html`<${Empty} title="No change was answered yet">A point appears when the last proxy has answered a change.<//>`;
  const spoilt = points.filter(isSpoilt).length;
  const slowest = points.reduce((a, b) => (b.published.waited > a.published.waited ? b : a));
  return html`
    <p class="quiet">
      ${count(points.length, 'change')}; the slowest took ${seconds(slowest.published.waited)}:${' '}
      <a href=${link('changes', String(slowest.number))}>change ${slowest.number}</a>. A point leads to its trace.${' '}
      ${spoilt > 0 && html`<strong>${count(spoilt, 'change')} in red: not answered by all, or rejected by some.</strong>`}
    </p>
    <div class="chart" ref=${place} role="img" aria-label=${`Propagation of ${count(points.length, 'change')} over time`} />
  `;
}

/** Draw the points and follow the size of the place. Resolves to what ends that. */
async function draw(element, points) {
  const { default: Plot } = await import('uplot');
  const style = getComputedStyle(element);
  const [quiet, line, accent, bad] = ['--quiet', '--line', '--accent', '--bad'].map((name) => style.getPropertyValue(name));
  const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const times = points.map((each) => Date.parse(each.at) / 1000);
  const options = {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { size: 10 } },
    scales: { x: { range: () => padded(times[0], times.at(-1)) }, y: { distr: 3 } },
    axes: [
      { ...axis, values: (_, values) => values.map(clock) },
      { ...axis, size: 64, splits: (_plot, _axis, least, most) => decades(least, most), values: (_, values) => values.map(seconds) },
    ],
    series: [{}, ...[accent, bad].map((colour) => ({ stroke: colour, paths: () => null, points: { show: true, size: 6, fill: colour } }))],
  };
  const heights = (spoilt) => points.map((each) => (isSpoilt(each) === spoilt ? Math.max(each.published.waited, 0.0005) : null));
  const data = [times, heights(false), heights(true)];
  const plot = new Plot(options, data, element);
  plot.over.addEventListener('click', () => {
    const at = plot.cursor.idx;
    if (at !== null && at !== undefined) go(link('changes', String(points[at].number)));
  });
  const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
  sizes.observe(element);
  return () => {
    sizes.disconnect();
    plot.destroy();
  };
}

/** Whether some proxy has rejected the change or did not answer. Its last answer is not the end of it. */
function isSpoilt({ published }) {
  return progress(published).look === 'bad';
}

/** A range around times, so that one change alone is in its middle. */
function padded(least, most) {
  const space = Math.max(30, (most - least) / 20);
  return [least - space, most + space];
}

function decades(least, most) {
  const first = Math.ceil(Math.log10(least));
  return Array.from({ length: Math.floor(Math.log10(most)) - first + 1 }, (_, at) => 10 ** (first + at));
}

function clock(at) {
  return new Date(at * 1000).toLocaleTimeString('sv');
}

/** The changes of one source by how long they took, since the process has started. */
function Source({ of }) {
  const { bounds, counts } = of;
  const every = counts.map((total, at) => ({ below: bounds[at], number: total - (counts[at - 1] ?? 0) }));
  const rows = every.slice(every.findIndex((row) => row.number), every.findLastIndex((row) => row.number) + 1);
  const all = counts.at(-1);
  const most = Math.max(...rows.map((row) => row.number), 1);
  return html`<${Section} title=${`Source ${of.source}, since the start`}>
    <${Facts}
      of=${[
        ['Changes', number(of.revisions)],
        ['Acknowledged by all', number(all)],
        ['Half of them within', all ? within(of, 0.5) : ''],
        ['99 % within', all ? within(of, 0.99) : ''],
        ['Mean', all ? seconds(of.total_seconds / all) : ''],
        ['Pending', of.pending ? number(of.pending) : ''],
        ['No proxy was there', of.unneeded ? number(of.unneeded) : ''],
        ['Not answered in time', of.incomplete ? number(of.incomplete) : ''],
        ['Rejected', of.rejected ? number(of.rejected) : ''],
      ]}
    />
    ${rows.length > 0 && html`<table class="plain histogram">
      <thead><tr><th scope="col" class="numeric">Up to</th><th scope="col">Changes</th><th scope="col" class="numeric">Of all</th></tr></thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr>
            <th scope="row" class="numeric">${row.below === undefined ? 'longer' : seconds(row.below)}</th>
            <td><span class="meter" aria-hidden="true"><span style=${{ width: `${(100 * row.number) / most}%` }} /></span> ${number(row.number)}</td>
            <td class="numeric">${percent((100 * row.number) / all)}</td>
          </tr>`,
        )}
      </tbody>
    </table>`}
  <//>`;
}

/** The bound below which a part of the changes is. */
function within({ bounds, counts }, part) {
  const at = counts.findIndex((each) => each >= part * counts.at(-1));
  return at < bounds.length ? seconds(bounds[at]) : `more than ${seconds(bounds.at(-1))}`;
}
