"""Code of the chapter that reports on Hugging Face."""
