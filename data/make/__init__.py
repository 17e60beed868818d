"""How the data sets beside this folder were cut from their sources.

`python -m data.make NAME` writes `data/NAME/` again. Nothing here runs when the site is
built: the results are committed. A maker fetches its source from a package, checks its
sha256, and writes Parquet files and the data set card.
"""
