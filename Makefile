# Everything here works from a fresh clone; `make help` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo run test lint format bench soak package rehearse

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/embedded ## from a link to a transcript, once, on this machine alone; URL=… for your own link
	@$(BIN)/python -m local.demo $(if $(URL),"$(URL)")

run: $(VENV)/embedded ## the same stack, left running: API, worker, admin, docs
	@$(BIN)/python -m local.run

test: $(VENV)/dev ## all tests, on SQLite and on a private MariaDB, and while things are being killed
	tests/run.sh

lint: $(VENV)/dev ## style, types, import arrows, risky code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DJANGO_DEBUG=true $(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/bandit -q -r -ll accounts videos transcripts ytbackend

format: $(VENV)/dev ## mend what can be mended by itself, and write openapi.yaml anew
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	DJANGO_DEBUG=true $(BIN)/python manage.py spectacular --validate --fail-on-warn --file openapi.yaml

soak: $(VENV)/dev ## ten minutes in which everything breaks at random, and nothing may be lost; SEED=7 SECONDS=600
	@$(BIN)/python -m tests.faults.soak --seconds $(or $(SECONDS),600) --seeds $(or $(SEED),1)

bench: $(VENV)/dev ## how fast and how large, beside what a user would take instead; all figures in dist/bench.json
	@$(BIN)/python -m benchmarks

package: $(VENV)/dev ## dist/yt-backend.zip, which Lambda runs; and the proofs that it can
	@$(BIN)/python -m deployment.package
	@$(BIN)/python -m deployment.inspect_package

rehearse: $(VENV)/dev ## a first deployment and its life against a local AWS that really runs the package
	@$(BIN)/python -m local.rehearse

# The embedded stack needs no compiler, no root, no MySQL and no AWS: every pin but the database driver's and Zappa's.
$(VENV)/embedded: requirements.txt requirements-worker.txt local/requirements.txt constraints.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV) …"
	@sed '/^-[cr] /d; /^mysqlclient==/d; /^zappa==/d' requirements.txt requirements-worker.txt local/requirements.txt > $(VENV)/embedded.txt
	@$(PIP) install --quiet -c constraints.txt -r $(VENV)/embedded.txt
	@touch $@

$(VENV)/dev: requirements.txt requirements-worker.txt requirements-dev.txt local/requirements.txt constraints.txt | $(VENV)/bin/python
	@tests/prepare.sh $(BIN)/python
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make … PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
