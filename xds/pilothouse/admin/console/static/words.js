// The words for what the API answers: the same as those of the commands.

/** How states look: `good`, `busy`, `warn`, `bad` or `idle`, each with a colour and a shape. */
const LOOKS = {
  SYNCED: 'good',
  SENDING: 'busy',
  STALE: 'warn',
  NACKED: 'bad',
  IDLE: 'idle',
  GONE: 'gone',
  REFUSED: 'bad',
  yes: 'good',
  no: 'bad',
  partly: 'warn',
  late: 'busy',
  acknowledged: 'good',
  unanswered: 'busy',
  rejected: 'bad',
  older: 'warn',
  'not asked for': 'idle',
  wanted: 'idle',
  none: 'bad',
  ready: 'good',
  'not ready': 'bad',
  'terminating, serving': 'warn',
  terminating: 'idle',
  'in maintenance': 'warn',
  missing: 'warn',
  extra: 'warn',
  added: 'good',
  changed: 'busy',
  removed: 'bad',
};

/** What states mean, for whoever points at one. */
export const MEANINGS = {
  SYNCED: 'It has acknowledged the last response.',
  SENDING: 'The last response is not answered yet.',
  STALE: 'The last response has not been answered for long: the proxy hangs, or the network does.',
  NACKED: 'It has rejected the last response that it answered.',
  IDLE: 'Nothing was sent.',
  GONE: 'Its stream has ended within the last ten minutes, and it has not come back.',
  REFUSED: 'The control plane does not allow what it asks: the reason is beside it.',
  yes: 'Clients call it.',
  no: 'No client calls it.',
  partly: 'Clients call it at some of its ports.',
  late: 'Clients call it if the others fail.',
  missing: 'It was not sent this yet, so it will be added.',
  older: 'It was sent another version, so it will be changed.',
  extra: 'It was sent this, and should not have it any more, so it will be removed.',
  rejected: 'It was sent the right version, and has rejected it. It keeps the version before.',
  unanswered: 'It was sent the right version, and has not answered. Until then it may have the version before.',
};

export const PROXY_STATES = ['SYNCED', 'SENDING', 'STALE', 'NACKED', 'IDLE', 'GONE', 'REFUSED'];

export function look(state) {
  return LOOKS[state] ?? 'idle';
}

/** How a service stands: `{ look, text }`. */
export function health(service) {
  const { endpoints, ready, called, quarantined, left_out: leftOut } = service;
  if (quarantined) return { look: 'bad', text: 'quarantined' };
  if (!endpoints) return { look: 'idle', text: 'no endpoints' };
  if (!ready) return { look: 'bad', text: 'none ready' };
  if (!called) return { look: 'bad', text: 'none called' };
  if (ready < endpoints) return { look: 'warn', text: 'partly ready' };
  if (Object.keys(leftOut).length) return { look: 'warn', text: 'some left out' };
  return { look: 'good', text: 'ready' };
}

export function number(value) {
  return value.toLocaleString('en');
}

/** `1 proxy`, `3 proxies`. */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function percent(share) {
  return share > 0 && share < 0.01 ? '< 0.01 %' : `${Number(share.toFixed(2))} %`;
}

/** REGION/ZONE/SUBZONE, as far as it is known. */
export function place({ region, zone, sub_zone: subZone } = {}) {
  return [region, zone, subZone].filter(Boolean).join('/');
}

/** Numbers by name: `2 not-ready, 1 damped`. */
export function amounts(numbers) {
  return Object.entries(numbers)
    .map(([name, value]) => `${number(value)} ${name}`)
    .join(', ');
}

export function port({ number: value, protocol, name }) {
  return `${value}/${protocol}` + (name && name !== protocol ? ` ${name}` : '');
}

/** What is said of a change that concerned no client. */
export const NOBODY = 'no proxy was there for it';

/** How many proxies a change was for: those that lacked it. */
export function wanting({ proxies, unneeded = 0 }) {
  return proxies - unneeded;
}

/** Who has a change, in words. */
export function told(published) {
  if (!published) return 'not published';
  const { acknowledged, proxies, rejected, outstanding, waited, left, unknown } = published;
  if (!proxies) return NOBODY;
  const wanted = wanting(published);
  if (!wanted) return 'no proxy lacked it';
  let text = `${number(acknowledged)}/${count(wanted, 'proxy', 'proxies')}`;
  if (rejected) text += `, ${number(rejected)} rejected`;
  if (left) text += `, ${number(left)} left without an answer`;
  if (unknown) text += `, ${number(unknown)} unknown, as the process ended before their answers`;
  if (outstanding) return `${text}, ${number(outstanding)} outstanding`;
  return waited === undefined || left || unknown ? text : `${text} in ${seconds(waited)}`;
}

/** How a change stands: `{ look, text }`. It is good only if all that lacked it have it. */
export function progress(published) {
  if (!published) return { look: 'busy', text: 'not published' };
  const { rejected, outstanding, left, unknown } = published;
  if (rejected) return { look: 'bad', text: 'rejected' };
  if (left || unknown) return { look: 'bad', text: 'incomplete' };
  if (outstanding) return { look: 'busy', text: 'outstanding' };
  return wanting(published) ? { look: 'good', text: 'acknowledged' } : { look: 'idle', text: told(published) };
}

export function seconds(value) {
  if (value < 1) return `${Number((value * 1000).toPrecision(3))} ms`;
  return value < 60 ? `${Number(value.toFixed(1))} s` : span(value);
}

const UNITS = [
  [86400, 'd'],
  [3600, 'h'],
  [60, 'm'],
];

/** A time span in its largest unit: `40s`, `12m`, `3h` or `2d`. */
export function span(value) {
  const whole = Math.max(0, Math.floor(value));
  const [size, unit] = UNITS.find(([least]) => whole >= least) ?? [1, 's'];
  return `${Math.floor(whole / size)}${unit}`;
}

/** A time span in its two largest units, because half an hour more is much before an end: `1h 59m`. */
export function remaining(value) {
  const [size] = UNITS.find(([least]) => value >= least) ?? [1];
  const rest = Math.floor(value) % size;
  const next = UNITS.find(([least]) => least < size)?.[0] ?? 1;
  return rest >= next ? `${span(value)} ${span(rest)}` : span(value);
}

/** A time with its date and zone, for a title. */
export function absolute(moment) {
  const at = new Date(moment);
  return `${at.toLocaleString('sv', { timeZoneName: 'short' })} (${moment})`;
}
