# The commands. Each first makes .venv and installs what it needs, by hash.
#   make demo                                 play the main job and leave the portal running
#   make demo ONCE=1 OUT=out SAY='some text'  the same without staying; what was received goes to OUT
#   make test ARGS='tests/portal -x'          all tests, or some of them
#   make up | lint | bench | bench-large | soak | requirements    soak: the long tests, and real Thunderbird

.POSIX:
.SUFFIXES:
MAKEFLAGS += --no-print-directory --no-builtin-rules

# The first Python 3.11 or newer that really runs: a version manager's shim may be on the PATH and refuse.
PYTHON := $(shell for p in python3.11 /usr/bin/python3.11 python3 /usr/bin/python3; do \
	$$p -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
SETUP := $(PYTHON) -I portal/running/bootstrap.py

# `value` keeps a dollar sign in the text as it was typed.
export LETTERLOCK_DEMO_ONCE := $(value ONCE)
export LETTERLOCK_DEMO_OUT := $(value OUT)
export LETTERLOCK_DEMO_SAY := $(value SAY)

.PHONY: demo up test lint bench bench-large soak requirements setup-demo setup-development setup-test setup-soak catalogues

demo: setup-demo catalogues
	@$(BIN)/python manage.py demo --die-with-parent

up: setup-demo catalogues
	@$(BIN)/python manage.py up --die-with-parent

test: setup-test catalogues
	$(BIN)/python -m pytest -q -n auto --dist loadgroup $(ARGS)

# mypy's plugin loads the settings; nothing is connected to.
LINT_SETTINGS := SECRET_KEY=lint DATABASE_URL=postgres://lint@127.0.0.1/lint REDIS_URL=redis://127.0.0.1/0 LETTERLOCK_POLICY_ARC=1.3.6.1.4.1.32473.1

lint: setup-development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(LINT_SETTINGS) $(BIN)/mypy .
	$(BIN)/lint-imports

bench: setup-development catalogues
	$(BIN)/python -m bench

bench-large: setup-development catalogues
	$(BIN)/python -m bench large --out var/bench-large.json

soak: setup-soak catalogues
	$(BIN)/python -m pytest -q -m soak $(ARGS)

# Locked with hashes and without an index address, for the oldest Python served.
requirements: setup-development
	for set in bootstrap base demo development; do \
		$(BIN)/uv pip compile -q --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
			requirements/$$set.in -o requirements/$$set.txt || exit 1; done

setup-demo setup-development setup-test setup-soak:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: sudo apt-get install -y python3' >&2; exit 1; }
	@$(SETUP) $(@:setup-%=%)

catalogues:
	@for po in locale/*/LC_MESSAGES/django.po; do test ! -e "$$po" -o "$${po%.po}.mo" -nt "$$po" || \
		$(BIN)/pybabel -q compile -i "$$po" -o "$${po%.po}.mo" || exit 1; done
