// Markup as tagged templates. Every value becomes a text node or a property, never markup.
import htm from 'htm';
import { h } from 'preact';

export const html = htm.bind(h);
