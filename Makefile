# `make run` and `make test` are all that it takes: they install what they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
JAVASCRIPT := mcp_tools/tests/clients/javascript
CONFORMANCE := mcp_tools/tests/conformance
# Outside of the checkout, and one for each lock file: the suite is a program of its own, larger than the project.
CONFORMANCE_HOME := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/todoproj/conformance-$(firstword $(shell cksum < $(CONFORMANCE)/package-lock.json))
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
# One process for each core. By number: Schemathesis gives all its tests one name, which other ways to share them out
# (--dist loadgroup) take for one test.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist load

.DEFAULT_GOAL := help
.PHONY: help run test fuzz lint clients conformance browser proxy audit bench clean

help:
	@echo "make run      install, migrate, make a demo person, and serve (HOST, PORT and DATABASE_URL change where)"
	@echo "make test     the test suite, on SQLite or on the PostgreSQL of DATABASE_URL"
	@echo "make fuzz     the fuzzing tests with many more inputs (FUZZ_EXAMPLES each, from SEED)"
	@echo "make lint     format, lint, types, import contracts, migrations, deployment checks"
	@echo "make clients  MCP clients that need an environment of their own; the system must have npm"
	@echo "make conformance  the official MCP conformance suite; the system must have npm"
	@echo "make browser  the pages for people in Chromium, which the system must have"
	@echo "make proxy    nginx in front of the server, as docs/nginx.conf has it; the system must have nginx"
	@echo "make audit    are there known vulnerabilities in the packages? Needs PyPI itself, not a mirror"
	@echo "make bench    speed, next to five peers (bench/README.md); takes long"

.venv/runs: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: set PYTHON to it.")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) -r requirements.txt
	@touch $@

.venv/tests: .venv/runs requirements-dev.txt
	@echo "Installing what tests it into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

.venv-mcp2/clients: mcp_tools/tests/clients/requirements-python-sdk-2.txt
	@test -x .venv-mcp2/bin/python || $(PYTHON) -m venv .venv-mcp2
	@.venv-mcp2/bin/python $(PIP_INSTALL) -r $<
	@touch $@

$(JAVASCRIPT)/node_modules/clients: $(addprefix $(JAVASCRIPT)/,.npmrc package.json package-lock.json)
	@npm ci --prefix $(JAVASCRIPT) --loglevel error
	@touch $@

$(CONFORMANCE_HOME)/ready:
	@mkdir -p $(@D)
	@cp $(JAVASCRIPT)/.npmrc $(addprefix $(CONFORMANCE)/,package.json package-lock.json) $(@D)
	@npm ci --prefix $(@D) --loglevel error
	@touch $@

run: .venv/runs
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@exec $(BIN)/python manage.py serve --demo

test: .venv/tests
	$(PYTEST)

fuzz: FUZZ_EXAMPLES ?= 250
fuzz: SEED ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
fuzz: .venv/tests
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PYTEST) --hypothesis-seed=$(SEED) \
		mcp_tools/tests/test_fuzz.py todoproj/tests/test_openapi.py conversations/tests/test_markdown.py

clients: .venv/tests .venv-mcp2/clients $(JAVASCRIPT)/node_modules/clients
	$(PYTEST) -m clients

conformance: .venv/tests $(CONFORMANCE_HOME)/ready
	@# In one process, whose tests may print the score.
	CONFORMANCE_HOME=$(CONFORMANCE_HOME) $(BIN)/python -m pytest -m conformance

browser: .venv/tests
	$(PYTEST) -m browser

proxy: .venv/tests
	$(PYTEST) -m proxy

.venv-audit/ready:
	@test -x .venv-audit/bin/python || $(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python $(PIP_INSTALL) 'pip-audit>=2.9,<3'
	@touch $@

# Needs PyPI itself, which knows of vulnerabilities; a mirror of its packages does not. --strict: what could not be looked
# up fails.
audit: .venv-audit/ready
	.venv-audit/bin/pip-audit --strict --progress-spinner off -r requirements.txt -r requirements-dev.txt

bench: .venv/runs
	$(BIN)/python -m bench

lint: .venv/tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	ENVIRONMENT=production ALLOWED_HOSTS=todo.example.com \
		SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

clean:
	rm -rf .venv .venv-mcp2 .venv-audit $(JAVASCRIPT)/node_modules $(CONFORMANCE_HOME) staticfiles .coverage htmlcov \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache bench/.venvs bench/results
