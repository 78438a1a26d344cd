# `make run` and `make test` are all that it takes: they install what they need into .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test lint clients browser bench clean

help:
	@echo "make run      install, migrate, make a demo person, and serve (HOST, PORT and DATABASE_URL change where)"
	@echo "make test     the test suite, on SQLite or on the PostgreSQL of DATABASE_URL"
	@echo "make lint     format, lint, types, import contracts, migrations, deployment checks"
	@echo "make clients  MCP clients that need an environment of their own"
	@echo "make browser  the admin in Chromium, which the system must have"
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

run: .venv/runs
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@exec $(BIN)/python manage.py serve --demo

test: .venv/tests
	$(BIN)/python -m pytest

clients: .venv/tests .venv-mcp2/clients
	$(BIN)/python -m pytest -m clients

browser: .venv/tests
	$(BIN)/python -m pytest -m browser

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
	rm -rf .venv .venv-mcp2 staticfiles .coverage htmlcov .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache bench/.venvs bench/results
