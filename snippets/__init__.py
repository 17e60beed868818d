"""Code that the pages show: one capability a module, mirrored by the folders of docs."""
