"""Which request leads to which cluster: host names, rules, and what is done to requests on the way."""
