"""The models, one module each.

A module describes its model in `MODEL` and imports nothing heavy until it converts or
checks, so that listing the models stays quick. `hub_mirror.sources` is not the place of
shared code: that is `hub_mirror.writing`.
"""
