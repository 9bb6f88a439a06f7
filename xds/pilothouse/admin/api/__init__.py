"""The operator's questions over HTTP, as JSON: the pages, what each answers, and their OpenAPI document."""
