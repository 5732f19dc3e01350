# Layerloom: `make run` starts the app, `make test` runs every test. Both set up .venv on a fresh machine.
PYTHON ?= python3
PORT   ?= 8501
VENV   := .venv
BIN    := $(VENV)/bin
# Tests without a browser run a file at a time on each of up to four processors. Those with one run alone: they need the machine.
APART  := --numprocesses=logical --maxprocesses=4 --dist=loadfile
.DEFAULT_GOAL := help
.PHONY: help run test test-fast property lint format chromium benchmarks peers bundles

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/run.stamp ## start the app and print its address
	@exec $(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/dev.stamp chromium ## run every test, browser tests included
	@status=0; \
	$(BIN)/python -m pytest $(APART) -m "not browser" || status=1; \
	$(BIN)/python -m pytest -m browser || status=1; \
	exit $$status

test-fast: $(VENV)/dev.stamp ## run the tests that need no browser
	$(BIN)/python -m pytest $(APART) -m "not browser"

property: $(VENV)/dev.stamp ## 500 random networks that hold and 500 damaged ones (some minutes)
	LAYERLOOM_EXAMPLES=500 $(BIN)/python -m pytest --timeout=3600 tests/builder/test_valid.py

lint: $(VENV)/dev.stamp ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/dev.stamp ## rewrite the sources as ruff formats them
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

benchmarks: $(VENV)/dev.stamp ## measure what we claim, but for the peers (an hour)
	for f in $$(grep -l '__main__' benchmarks/*.py | grep -v peers); do PYTHONPATH=. $(BIN)/python $$f || exit 1; done

peers: $(VENV)/dev.stamp ## install other libraries, each on its own, and train beside them (an hour)
	PYTHONPATH=. $(BIN)/python benchmarks/peers.py

bundles: ## rebuild the browser bundles after a change in pages/*/frontend (needs Node)
	for d in pages/*/frontend; do (cd $$d && npm ci && npm run check && npm run build) || exit 1; done

chromium: # browser tests drive Debian's chromium
	@sh .ci/chromium

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Layerloom needs Python 3.11 or newer; '$(PYTHON)' is older. Install it, or run: make PYTHON=python3.11 run"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements.txt $(VENV)/python.stamp
	$(BIN)/pip install --disable-pip-version-check -q $$(sh .ci/torch-index) -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-onnx.txt $(VENV)/run.stamp
	$(BIN)/pip install --disable-pip-version-check -q $$(sh .ci/torch-index) -r requirements-dev.txt
	@touch $@
