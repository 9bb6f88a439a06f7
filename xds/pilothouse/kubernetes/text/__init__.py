"""Turns the text of a manifest into plain values: YAML and JSON, in pieces, with lines, within bounds."""
