// Light or dark: as the system is, until somebody chooses. `theme.js` does the same before the first paint.
import { store } from './store.js';

const system = matchMedia('(prefers-color-scheme: dark)');
const root = document.documentElement;

export const isDark = store(chosen());

system.addEventListener('change', () => isDark.set(chosen()));

function chosen() {
  return root.dataset.theme ? root.dataset.theme === 'dark' : system.matches;
}

export function choose(dark) {
  root.dataset.theme = dark ? 'dark' : 'light';
  localStorage.setItem('pilothouse-theme', root.dataset.theme);
  isDark.set(dark);
}
