"""Reads Kubernetes objects from plain values and joins them into our model. Pure: no files, no sockets.

    text -> documents -> parse -> objects -> manifests -> join -> model.Service

`documents` and `parse` read a text into objects. `manifests` decides between files that declare the same
object. `join` keeps the objects and builds each service from the ones that belong to it.
"""
