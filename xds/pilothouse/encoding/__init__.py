"""Encoded resources: types and versions, the joining of encoded pieces, the rules of Envoy's messages."""
