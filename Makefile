# Most targets need only python3 (3.11 to 3.14), git and, for the first setup, the network.
SHELL   := /bin/bash
PYTHON3 ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What the demo changes in params.yaml.
DEMO := -S dataset=sample

# DVC keeps an experiment as a commit; git must know whose, and on a new machine it does not yet.
IDENTITY := $(shell git config user.name >/dev/null && git config user.email >/dev/null || echo \
	GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@localhost GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@localhost)

# The way from the root of the git repository to here, and from DVC's: empty, or ending in a slash.
BELOW_GIT = $(shell git rev-parse --show-prefix)
BELOW_DVC = $(shell [ -d .dvc ] || git rev-parse --show-prefix)

.DEFAULT_GOAL := help
.PHONY: help setup demo seeds experiments test faults lint format bench gpu-kit audit lock vega

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*##/ { printf "%-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready ## create .venv with everything the pipeline needs (about 6 GB, once)

.venv/ready: requirements.txt requirements-dev.txt
	@$(PYTHON3) src/supported.py
	$(PYTHON3) -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check --quiet -r requirements.txt -r requirements-dev.txt
	@touch $@

demo: setup ## run the whole pipeline on the images in the repository, as the experiment `demo`; leaves your files alone
	@python -m src.copies
	@dvc exp remove --quiet demo 2>/dev/null || true
	$(IDENTITY) dvc exp run --temp --name demo $(DEMO)
	@rm -rf demo && mkdir demo
	@for folder in metrics plots; do dvc get --quiet . "$(BELOW_GIT)$$folder" --rev demo --out demo/$$folder || exit; done
	@echo
	@python -c "import json; print('test accuracy:', format(json.load(open('demo/metrics/test.json'))['accuracy'], '.1%'))"
	@printf 'report:        ' && python -m src.report demo -o demo/report.html
	@python -c "import pathlib; print('pictures:      ' + pathlib.Path('demo/plots').resolve().as_uri())"

# The shell reads these from the environment, so that a recipe's lines of flags may be among them.
export NAME SEEDS FLAGS

seeds: setup ## run an experiment with several seeds, e.g. NAME=base SEEDS=0,1,2 FLAGS='-S epochs=24'
	@$(IDENTITY) python -m src.seeds "$$NAME" "$${SEEDS:-0,1,2}" $$FLAGS

# All columns but the accuracy, the calibration error, and the parameters that differ.
HIDDEN := Created|spots\.|tested|total|smallest_|images$$|per_class|support|accuracy_|balanced_|macro_f1|false_rejection|confidence|train_|val_|best_epoch|loss|layer|.*\.(mean|std)|(data|metrics|src|stages)/

experiments: setup ## list the experiments, best first, with their results and what was changed
	@dvc exp show --no-pager --only-changed --hide-workspace --drop '$(HIDDEN)' \
		--sort-by '$(BELOW_DVC)metrics/test.json:accuracy' --sort-order desc

test: setup ## run the tests
	python -m pytest

faults: setup ## kill the pipeline at 90 random moments, starve it, and compare with an undisturbed run
	python -m pytest -m faults -n 0 -s

lint: setup ## check style, formatting and types
	ruff check .
	ruff format --check .
	mypy

format: setup ## fix style and formatting
	ruff check --fix .
	ruff format .

bench: setup ## measure speed on this machine
	python -m benchmarks

# A list of what the machine has already, as `pip freeze` prints it, makes the kit much smaller.
HAS ?=

gpu-kit: setup ## pack what a machine with a GPU but no network needs, e.g. HAS=packages.txt; see docs/gpus.md
	@python -m benchmarks.gpu.kit $(if $(HAS),--has "$(HAS)")

audit: setup ## check the pinned packages against a public list of known vulnerabilities
	python -m venv .venv/audit
	.venv/audit/bin/python -m pip install --disable-pip-version-check --quiet pip-audit==2.10.1
	.venv/audit/bin/pip-audit --disable-pip -r requirements.txt -r requirements-dev.txt

LOCK := uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes

lock: ## pin all packages again, starting from the direct dependencies (needs uv)
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -c requirements.txt -o requirements-dev.txt

vega: setup ## download the chart library again, in the versions given in src/report/vega.py (needs npm)
	python -m src.report.vega
