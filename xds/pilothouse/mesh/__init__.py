"""Who a client is, what it may know, and by which names. Pure."""
