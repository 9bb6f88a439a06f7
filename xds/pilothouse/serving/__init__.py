"""Who sees what: every translated service, encoded once for those who see the same, and what a change did."""
