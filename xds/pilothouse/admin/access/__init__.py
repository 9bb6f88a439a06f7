"""Who may ask the admin port, and who may give it orders."""
