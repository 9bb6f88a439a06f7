"""The resolver beside an application: it learns names from the control plane, and answers them here."""
