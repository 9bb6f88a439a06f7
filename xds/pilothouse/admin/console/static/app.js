// The frame around the pages: navigation, search, how live it is, and the theme.
import { render } from 'preact';
import { useEffect, useErrorBoundary, useRef, useState } from 'preact/hooks';
import { reachable, token } from './api.js';
import { choose, isDark } from './colours.js';
import { html } from './html.js';
import { start, state as liveness } from './live.js';
import { Change } from './pages/change.js';
import { Changes } from './pages/changes.js';
import { Drains } from './pages/drains.js';
import { Endpoints } from './pages/endpoints.js';
import { Explain } from './pages/explain.js';
import { Holds } from './pages/holds.js';
import { Overall } from './pages/map.js';
import { Nacks } from './pages/nacks.js';
import { Notes } from './pages/notes.js';
import { Overview } from './pages/overview.js';
import { Propagation } from './pages/propagation.js';
import { Proxies } from './pages/proxies.js';
import { Proxy } from './pages/proxy.js';
import { Service } from './pages/service.js';
import { Services } from './pages/services.js';
import { Sources } from './pages/sources.js';
import { WhatIf } from './pages/what-if.js';
import { enterToken, TokenDialog } from './parts/dialogs.js';
import { Empty, Failed } from './parts/notices.js';
import { Page } from './parts/page.js';
import { Shape } from './parts/state.js';
import { go, link, route } from './router.js';
import { useStore } from './store.js';

/** The pages by the first part of their address, in groups: the list, and what one of it looks like. */
const GROUPS = {
  Mesh: {
    '': { name: 'Overview', list: Overview },
    map: { name: 'Map', list: Overall },
    services: { name: 'Services', list: Services, one: Service, parts: 2 },
    endpoints: { name: 'Endpoints', list: Endpoints },
    proxies: { name: 'Proxies', list: Proxies, one: Proxy, parts: 1 },
  },
  Questions: {
    explain: { name: 'Explain', list: Explain },
    'what-if': { name: 'What if', list: WhatIf },
  },
  'What happened': {
    changes: { name: 'Changes', list: Changes, one: Change, parts: 1 },
    propagation: { name: 'Propagation', list: Propagation },
    notes: { name: 'Notes', list: Notes },
  },
  'Not as usual': {
    sources: { name: 'Sources', list: Sources },
    holds: { name: 'Holds', list: Holds },
    drains: { name: 'Drains', list: Drains },
    nacks: { name: 'NACKs', list: Nacks },
  },
};
const PAGES = Object.assign({}, ...Object.values(GROUPS));

const LIVENESS = {
  connecting: ['busy', 'connecting', 'Connecting to the event stream.'],
  live: ['good', 'live', 'Changes are shown as they happen.'],
  polling: ['idle', 'polling', 'There is no event stream, so the page asks every 5 s.'],
  unreachable: ['bad', 'not reachable', 'The control plane does not answer. The page tries again.'],
  reconnecting: ['warn', 'reconnecting', 'The event stream has ended; connecting again.'],
};

function App() {
  const { parts, query } = useStore(route);
  const [first = '', ...rest] = parts;
  const page = PAGES[first];
  const One = rest.length ? rest.length === page?.parts && page.one : page?.list;
  const address = parts.join('/');
  useArrival(address);
  return html`
    <a class="skip" href="#content" onClick=${skip}>Skip to the content</a>
    <header>
      <a class="brand" href=${link()}><img src="icon.svg" alt="" width="20" height="20" />Pilothouse</a>
      <${Ask} />
      <div class="row"><${Liveness} /><${Who} /><${Theme} /></div>
    </header>
    <nav aria-label="Pages">
      ${Object.entries(GROUPS).map(([group, pages]) => html`<${Group} name=${group} pages=${pages} first=${first} />`)}
    </nav>
    <main id="content" tabindex="-1">
      <${Whole} key=${address}>${One ? html`<${One} parts=${rest} query=${query} />` : html`<${Nowhere} />`}<//>
    </main>
    <${TokenDialog} />
  `;
}

function Group({ name, pages, first }) {
  return html`<p class="group" aria-hidden="true">${name}</p>
    <ul aria-label=${name}>
      ${Object.entries(pages).map(
        ([key, page]) => html`<li><a href=${link(...(key ? [key] : []))} aria-current=${key === first ? 'page' : undefined}>${page.name}</a></li>`,
      )}
    </ul>`;
}

/** A new page begins at its top, with its title as the title of the window, and with the focus for whoever hears it. */
function useArrival(address) {
  const before = useRef(address);
  useEffect(() => {
    const title = document.getElementById('title');
    document.title = title ? `${title.textContent} · Pilothouse` : 'Pilothouse';
    document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    if (before.current === address) return;
    before.current = address;
    document.getElementById('content').scrollTop = 0;
    title?.focus({ preventScroll: true });
  }, [address]);
}

function skip(event) {
  event.preventDefault(); // the address names the page
  document.getElementById('content').focus();
}

/** A page; or, if it fails because of a mistake of ours, what one can do. */
function Whole({ children }) {
  const [error, reset] = useErrorBoundary((failure) => console.error(failure));
  if (!error) return children;
  return html`<${Page} title="This page has failed"><${Failed} error=${{ status: 500, message: String(error) }} retry=${reset} /><//>`;
}

function Nowhere() {
  return html`<${Page} title="Not there"><${Empty} title="No page has this address"><a href=${link()}>Overview</a><//><//>`;
}

/** The search of all pages: a name, explained. `/` leads to it. */
function Ask() {
  const field = useRef(null);
  const [text, setText] = useState('');
  useEffect(() => {
    const onKey = (event) => {
      const typing = event.target.closest('input, textarea, select, dialog');
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) go(link('explain', { name: text.trim() }));
    setText('');
  };
  return html`<form class="ask" role="search" onSubmit=${submit}>
    <input
      ref=${field}
      type="search"
      aria-label="Explain a name"
      placeholder="Why? A name, virtual IP or service  ( / )"
      value=${text}
      onInput=${(event) => setText(event.target.value)}
    />
  </form>`;
}

function Liveness() {
  const stream = useStore(liveness);
  const [kind, text, title] = LIVENESS[useStore(reachable) ? stream : 'unreachable'];
  return html`<span class="state ${kind}" role="status" title=${title}><${Shape} look=${kind} />${text}</span>`;
}

function Who() {
  const known = useStore(token);
  return html`<button type="button" onClick=${enterToken} title=${known ? 'A token is in use.' : 'No token is in use.'}>${known ? 'Token ✓' : 'Token'}</button>`;
}

function Theme() {
  const dark = useStore(isDark);
  return html`<button type="button" onClick=${() => choose(!dark)} aria-label=${dark ? 'Use light colours' : 'Use dark colours'} title=${dark ? 'Light' : 'Dark'}>${dark ? '☀' : '☾'}</button>`;
}

start();
render(html`<${App} />`, document.getElementById('app'));
