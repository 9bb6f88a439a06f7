// Reads text/event-stream (https://html.spec.whatwg.org/multipage/server-sent-events.html) out of pieces of text.

/** A function that takes the next piece, and returns the events that it completes: `{ kind, id, data }`. */
export function reader() {
  let rest = '';
  let event = { kind: 'message', id: undefined, data: [] };
  return (piece) => {
    const found = [];
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (event.data.length) found.push({ ...event, data: event.data.join('\n') });
        event = { kind: 'message', id: undefined, data: [] };
      } else {
        field(event, line);
      }
    }
    return found;
  };
}

function field(event, line) {
  const [name, value = ''] = line.split(/:(?: ?)(.*)/s);
  if (name === 'event') event.kind = value;
  if (name === 'data') event.data.push(value);
  if (name === 'id') event.id = value;
}
