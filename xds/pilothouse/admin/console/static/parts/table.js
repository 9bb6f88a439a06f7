// A table of any length. Only the rows that can be seen are in the page, and a list that goes on is asked for more.
import { Component } from 'preact';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { html } from '../html.js';

const ROW = 36; // pixels; the style sheet has the same
const BEYOND = 12; // rows above and below what can be seen
const FEW = 60; // tables up to this length are whole

/**
 * `columns` are `{ name, width, wide, numeric, cell(row), title(row) }`: with `wide`, narrow screens leave it out.
 * They are the same object each time. `id(row)` is what a row is known by. `more()` is called when the end can be seen.
 */
export function Table({ label, columns, rows, id, more, growing }) {
  const body = useRef(null);
  const [first, last] = useWindow(body, rows.length);
  useEffect(() => {
    if (more && !growing && last >= rows.length) more();
  }, [more, growing, last, rows.length]);
  const shown = rows.slice(first, last);
  return html`<table class="list" aria-label=${label} aria-rowcount=${more ? -1 : rows.length + 1}>
    <colgroup>
      ${columns.map((each) => html`<col class=${each.wide ? 'wide' : ''} style=${{ width: each.width }} />`)}
    </colgroup>
    <thead>
      <tr>
        ${columns.map((each) => html`<th scope="col" class=${kind(each)}>${each.name}</th>`)}
      </tr>
    </thead>
    <tbody ref=${body} onKeyDown=${walk}>
      <${Gap} rows=${first} />
      ${shown.map((row, at) => html`<${Row} key=${id(row)} index=${first + at + 2} columns=${columns} row=${row} />`)}
      <${Gap} rows=${rows.length - last} />
    </tbody>
  </table>`;
}

function kind({ wide, numeric }) {
  return [wide && 'wide', numeric && 'numeric'].filter(Boolean).join(' ');
}

/** A row renders again only if it is another one, so that scrolling costs the rows that come into view. */
class Row extends Component {
  shouldComponentUpdate(next) {
    return next.row !== this.props.row || next.columns !== this.props.columns || next.index !== this.props.index;
  }

  render({ index, columns, row }) {
    return html`<tr aria-rowindex=${index}>
      ${columns.map((each) => html`<${Cell} column=${each} row=${row} />`)}
    </tr>`;
  }
}

function Cell({ column, row }) {
  const content = column.cell(row);
  const title = column.title?.(row) ?? (typeof content === 'string' ? content : undefined);
  return html`<td class=${kind(column)} title=${title}>${content}</td>`;
}

function Gap({ rows }) {
  if (rows <= 0) return null;
  return html`<tr class="gap" aria-hidden="true"><td style=${{ height: `${rows * ROW}px` }} /></tr>`;
}

/** The first and the last row that have to be there. */
function useWindow(body, length) {
  const [range, setRange] = useState([0, FEW]);
  const look = useCallback(() => {
    const scroller = document.getElementById('content');
    if (!body.current) return; // it has just gone, and hears of the last scrolling
    const top = scroller.getBoundingClientRect().top - body.current.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
    // A table that is further below has some rows too, so that the Tab key finds it.
    const last = Math.max(0, Math.ceil((top + scroller.clientHeight) / ROW)) + BEYOND;
    // In steps, so that scrolling by a row renders nothing.
    setRange(([a, b]) => {
      const [c, d] = [first - (first % BEYOND), last + BEYOND - (last % BEYOND)];
      return a === c && b === d ? [a, b] : [c, d];
    });
  }, []);
  useLayoutEffect(look, [length]);
  useEffect(() => {
    const scroller = document.getElementById('content');
    scroller.addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      scroller.removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [look]);
  return length <= FEW ? [0, length] : [Math.min(range[0], length), Math.min(range[1], length)];
}

/** The arrow keys go from row to row. */
function walk(event) {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key];
  const next = step && event.target.closest('tr')?.[step]?.querySelector('a, button');
  if (!next) return;
  event.preventDefault();
  next.focus();
}
