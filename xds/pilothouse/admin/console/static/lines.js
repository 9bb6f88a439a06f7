// In which lines two texts differ (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986). Pure.

const MOST = 1000; // with more edits, what is between the first and the last line that differ is replaced as a whole
const AROUND = 3; // equal lines that are shown before and after those that differ

export const SAME = ' ';
export const ADDED = '+';
export const REMOVED = '-';
export const CHANGED = '±'; // of things that have a name: it stays, and something about it differs

/**
 * What differs, with a few equal lines around it: `{ parts, added, removed }`. A part is `{ sign, text }`, or
 * `{ skipped }`, so many equal lines. `before` and `after` are lists of lines.
 */
export function difference(before, after) {
  const found = all(before, after);
  const tally = (sign) => found.reduce((sum, each) => sum + (each.sign === sign), 0);
  return { parts: shortened(found), added: tally(ADDED), removed: tally(REMOVED) };
}

/** Every line with its sign. */
function all(before, after) {
  const least = Math.min(before.length, after.length);
  let head = 0;
  while (head < least && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < least - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const [old, now] = [before, after].map((lines) => lines.slice(head, lines.length - tail));
  return [
    ...signed(SAME, before.slice(0, head)),
    ...(edits(old, now) ?? [...signed(REMOVED, old), ...signed(ADDED, now)]),
    ...signed(SAME, before.slice(before.length - tail)),
  ];
}

function signed(sign, lines) {
  return lines.map((text) => ({ sign, text }));
}

/** The shortest way from one text to the other, or null if it has too many edits. */
function edits(before, after) {
  const most = Math.min(MOST, before.length + after.length);
  const middle = most + 1;
  // The furthest line of `before` that can be reached on each diagonal, and that for each number of edits so far.
  const furthest = new Int32Array(2 * middle + 1);
  const trace = [];
  for (let count = 0; count <= most; count += 1) {
    trace.push(furthest.slice(middle - count - 1, middle + count + 2));
    for (let diagonal = -count; diagonal <= count; diagonal += 2) {
      const down = isDown(diagonal, count, (at) => furthest[middle + at]);
      let x = down ? furthest[middle + diagonal + 1] : furthest[middle + diagonal - 1] + 1;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x += 1;
      furthest[middle + diagonal] = x;
      if (x >= before.length && x - diagonal >= after.length) return way(before, after, trace);
    }
  }
  return null;
}

/** Whether the way to a diagonal goes over the one above it, so that a line is added. */
function isDown(diagonal, count, furthest) {
  return diagonal === -count || (diagonal !== count && furthest(diagonal - 1) < furthest(diagonal + 1));
}

/** The way back from the end. */
function way(before, after, trace) {
  const found = [];
  let [x, y] = [before.length, after.length];
  for (let count = trace.length - 1; count >= 0; count -= 1) {
    const furthest = (diagonal) => trace[count][diagonal + count + 1];
    const diagonal = x - y;
    const down = isDown(diagonal, count, furthest);
    const from = down ? diagonal + 1 : diagonal - 1;
    const begin = count ? furthest(from) : 0;
    const turn = count ? begin + (down ? 0 : 1) : 0;
    for (; x > turn; x -= 1, y -= 1) found.push({ sign: SAME, text: before[x - 1] });
    if (count) found.push(down ? { sign: ADDED, text: after[y - 1] } : { sign: REMOVED, text: before[x - 1] });
    [x, y] = [begin, begin - from];
  }
  return found.reverse();
}

/** Equal lines that are far from any that differ become one part. */
function shortened(lines) {
  const near = new Uint8Array(lines.length);
  lines.forEach(({ sign }, at) => sign !== SAME && near.fill(1, Math.max(0, at - AROUND), at + AROUND + 1));
  const parts = [];
  lines.forEach((line, at) => {
    if (near[at]) parts.push(line);
    else if (parts.at(-1)?.skipped) parts.at(-1).skipped += 1;
    else parts.push({ skipped: 1 });
  });
  return parts;
}
