// Dialogs: who one is, why one orders something. All are native, so focus and Escape behave.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post, token } from '../api.js';
import { html } from '../html.js';
import { refresh } from '../live.js';
import { store, useStore } from '../store.js';

/** Resolves the question for a token, if one is asked: with whether one was entered. */
const asked = store(null);

/** Ask for a token. Returns whether one was entered. */
export function enterToken() {
  return new Promise((resolve) => asked.set({ resolve }));
}

/** The dialog for a token. There is one, whoever asks. */
export function TokenDialog() {
  const question = useStore(asked);
  const [text, setText] = useState('');
  if (!question) return null;
  const end = (value) => {
    if (value !== null) token.set(value);
    setText('');
    asked.set(null);
    question.resolve(Boolean(value));
    if (value !== null) refresh();
  };
  return html`<${Dialog} title="Token" onCancel=${() => end(null)} onSubmit=${() => end(text.trim())}>
    <p>
      Some control planes ask who you are, and orders always need a token that may write. It is sent to this control plane only, and is
      forgotten when you close this tab.
    </p>
    <label>Token <input type="password" autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)} /></label>
    <p class="row end">
      ${token.get() && html`<button type="button" onClick=${() => end('')}>Forget it</button>`}
      <button type="button" onClick=${() => end(null)}>Cancel</button>
      <button class="primary" type="submit">Use it</button>
    </p>
  <//>`;
}

/**
 * Orders something after asking why: `page` is told `{ reason }` and what `body` has. `verb` is what the button says,
 * `told(answer)` what has become of it. The children may ask for more.
 */
export function Order({ title, verb, page, body = {}, told = ({ done, who }) => `${done}, ordered by ${who}`, danger = false, onEnd, children }) {
  const [reason, setReason] = useState('');
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const send = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      setAnswer(await withToken(() => post(page, { ...body, reason })));
      refresh();
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  if (answer) {
    // Another dialog, so that the focus is on its button.
    return html`<${Dialog} key="answer" title=${title} onCancel=${onEnd} onSubmit=${onEnd}>
      <p role="status">${told(answer)}</p>
      ${answer.beware && html`<p class="bad-text">${answer.beware}</p>`}
      <p class="row end"><button class="primary" type="submit">Close</button></p>
    <//>`;
  }
  return html`<${Dialog} title=${title} onCancel=${onEnd} onSubmit=${send}>
    ${children}
    <label>Reason <input required maxlength="200" value=${reason} onInput=${(e) => setReason(e.target.value)} /></label>
    <p class="quiet">The journal keeps who has ordered it, and why.</p>
    ${error && html`<p class="bad-text" role="alert">${error.message}</p>`}
    <p class="row end">
      <button type="button" onClick=${onEnd}>Cancel</button>
      <button class=${danger ? 'danger' : 'primary'} type="submit" aria-disabled=${String(busy)}>${busy ? 'Sending' : verb}</button>
    </p>
  <//>`;
}

/** Try; if it is not known who asks, ask for a token and try once more. */
async function withToken(attempt) {
  try {
    return await attempt();
  } catch (refused) {
    if (refused.status !== 401 || !(await enterToken())) throw refused;
    return attempt();
  }
}

/** A dialog while it is shown. Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, wide = false, onCancel, onSubmit, children }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.focus?.();
  }, []);
  const submit = (event) => {
    event.preventDefault();
    onSubmit();
  };
  return html`<dialog ref=${element} class=${wide ? 'broad' : ''} aria-label=${title} onClose=${onCancel}>
    <form method="dialog" onSubmit=${submit}><h2 class="cut" title=${title}>${title}</h2>${children}</form>
  </dialog>`;
}
