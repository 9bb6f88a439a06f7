"""The objects of the core and discovery groups, reduced to the fields that decide where requests go."""
