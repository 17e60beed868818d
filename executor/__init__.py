"""Runs the notebook pages of the site: inline, key, execute, hand to MkDocs."""
