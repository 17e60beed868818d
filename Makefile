# `make serve` and `make test` are all that is needed; `make help` lists the rest.

.DEFAULT_GOAL := help
VENV := .venv
RUN := $(VENV)/bin/python
ADDRESS ?= 127.0.0.1:8000
# Every core; `make test PYTEST_ARGS="-k vit"` narrows a run.
PYTEST_ARGS ?= -n auto --dist loadfile

# One thread a process, so that parallel pages and tests do not fight over the cores.
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

# The theme's word on its end of life, at every start, is for those who choose the theme.
export NO_MKDOCS_2_WARNING := 1

# A browser opens only where a person can see it.
OPEN := $(shell if [ -z "$$CI$$SSH_CONNECTION" ] && \
	{ [ "$$(uname -s)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; }; \
	then echo --open; fi)

.PHONY: help install hub serve site pdf lint spell chromium test bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install: ## Make or update .venv (PYTHON=/path names the Python to use)
	@tools/install $(VENV)

hub: install
	@$(RUN) -m hub_mirror

serve: hub ## Open the site on 127.0.0.1:8000; pages rebuild when they are edited
	@tools/check-address $(RUN) $(ADDRESS)
	@$(RUN) -m mkdocs serve --dev-addr $(ADDRESS) $(OPEN)

site: hub ## Build the site into site/; a warning is an error
	@$(RUN) -m mkdocs build --strict

pdf: chromium ## Build the site with the report as one PDF, which needs Chromium
	@CHROMIUM="$$(tools/find-chromium)" REPORT_PDF=required $(MAKE) site

lint: install ## Check style, formatting and types
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy

spell: install ## Look for misspelled words
	$(RUN) -m codespell_lib

chromium: install
	@tools/find-chromium --install

test: lint spell chromium hub ## Run all checks and tests (CHROMIUM=/path names a browser)
	CHROMIUM="$$(tools/find-chromium)" $(RUN) -m pytest $(PYTEST_ARGS)

bench: hub ## Time builds beside other tools (BENCH_ARGS="--serve --write")
	@$(RUN) -m benchmarks.build $(BENCH_ARGS)

lock: install ## Resolve requirements.txt into constraints.txt
	$(RUN) -m uv pip compile requirements.txt -o constraints.txt --universal \
		--python-version 3.12 --no-emit-index-url --no-annotate --no-header \
		--no-emit-package hugging-face-field-report

clean: ## Delete everything that make made
	rm -rf $(VENV) .cache site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
