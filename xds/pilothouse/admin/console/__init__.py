"""The web console: files that a browser runs. All that they show, they ask the API for."""
