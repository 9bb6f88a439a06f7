"""Encoded resources: types and versions, the joining of encoded pieces, the rules that messages keep."""
