"""Code of the chapter on vision."""
