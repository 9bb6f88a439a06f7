"""The merged live view: a shard for each source, which losses to believe, and what has changed."""
