"""Names answered over DNS, from the same services as EDS. Pure, but for `serving`."""
