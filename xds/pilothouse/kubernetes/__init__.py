"""Kubernetes objects, read from plain values and joined into our model. Pure: no files, no sockets.

    text -> documents -> parse -> objects -> manifests -> join -> model.Service

`documents` and `parse` read a text into objects, `manifests` decides between files that declare
the same object, `join` keeps the objects and builds a service out of those that belong to it.
"""
