"""The objects of the core and discovery groups, stripped to the fields that decide where requests go."""
