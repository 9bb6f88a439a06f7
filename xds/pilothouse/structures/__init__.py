"""Data structures and the event loop's turns: what a program without services could use as well."""
