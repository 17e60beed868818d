"""Code of the chapter on using pretrained models."""
