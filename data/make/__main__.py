"""`python -m data.make NAME...`: write data sets again from their sources."""

import importlib
import sys

if __name__ == "__main__":
    for name in sys.argv[1:]:
        module = importlib.import_module(f"data.make.{name.replace('-', '_')}")
        print(module.make())
