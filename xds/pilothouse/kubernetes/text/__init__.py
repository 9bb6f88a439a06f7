"""The text of a manifest becomes plain values: YAML and JSON, in pieces, with lines, within bounds."""
