"""Answers the API's questions: reads the running parts, and returns values. Writes nothing."""
