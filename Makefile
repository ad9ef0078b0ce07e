# What this project can do on a machine. `make test` is all of it: it sets up what is missing, then checks and tests.
# As root (or with sudo) on Debian or Ubuntu the packages are installed too; elsewhere it says what is missing and goes on.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The distribution's own Python where it is new enough: user boinc must be able to run it, and cannot enter root's home.
SYSTEM_PYTHON := $(shell .ci/python)
WHERE := $(shell printf '%s' '$(CURDIR)' | sha256sum | cut -c1-12)
VENV ?= /var/tmp/boinc-docker-wrapper-$(shell id -u)/$(WHERE)/venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.set-up-$(shell sha256sum < pyproject.toml | cut -c1-12)
WINDOWS := $(dir $(VENV))windows
PYTEST := $(PYTHON) -m pytest -p no:cacheprovider
ENGINE ?=
REFERENCE ?=
SCALE ?=
MINUTES ?= 30
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup packages lint unit test test-windows demo bench soak app leftovers clean

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: packages $(STAMP)  ## packages (as root, with apt) and the virtual environment

packages:
	@.ci/packages

$(STAMP):
	@test -n '$(SYSTEM_PYTHON)' || { echo 'no Python 3.10 or newer here' >&2; exit 1; }
	@umask 022; mkdir -p '$(dir $(VENV))'
	@test -O '$(dir $(VENV))' || { echo '$(dir $(VENV)) is somebody else'\''s' >&2; exit 1; }
	umask 022; $(SYSTEM_PYTHON) -m venv --clear '$(VENV)'
	umask 022; .ci/requirements '$(PYTHON)' | xargs -d '\n' '$(VENV)/bin/pip' install --quiet --disable-pip-version-check
	@touch '$@'

lint: $(STAMP)  ## ruff, and mypy for Linux, Windows and macOS
	$(PYTHON) -m ruff check .
	for platform in linux win32 darwin; do $(PYTHON) -m mypy --platform $$platform; done

unit: $(STAMP)  ## tests that need neither an engine nor a client
	$(PYTEST) -n 2 --dist loadgroup -m 'not engine and not client' tests

test: setup lint  ## everything: packages, environment, lint and all tests
	$(PYTEST) -n 2 --dist loadgroup tests

test-windows: setup  ## what Windows is to do, on a real Python for Windows under Wine
	@tests/windows/setup.sh '$(WINDOWS)' '$(PYTHON)'
	$(PYTHON) -m tests.windows '$(WINDOWS)' -n 2 --dist loadgroup tests/unit tests/windows tests/engine

demo: setup  ## one job under the real BOINC client; ENGINE=docker or podman chooses
	ENGINE='$(ENGINE)' $(PYTHON) -m tests.lab.demo

bench: setup  ## measure; REFERENCE= another wrapper's program, SCALE=1 many jobs; see tests/benchmarks
	PYTHONDONTWRITEBYTECODE= REFERENCE='$(REFERENCE)' SCALE='$(SCALE)' $(PYTHON) -m tests.benchmarks

soak: setup  ## kill it at random for MINUTES=30 on both engines; WRITE=--write puts the figures into the docs
	$(PYTHON) -m tests.faults.soak --minutes '$(MINUTES)' $(WRITE)

app: $(STAMP)  ## dist/docker_wrapper, the one file that a project puts into its app version
	.ci/app '$(PYTHON)'

leftovers:
	@if [ -x '$(PYTHON)' ]; then $(PYTHON) -m tests.windows clean '$(WINDOWS)'; fi
	@if [ -x '$(PYTHON)' ]; then $(PYTHON) -m tests.lab.engines clean; $(PYTHON) -m tests.lab.client_home clean; fi

clean:  ## take away what make has made
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	rm -rf '/var/tmp/boinc-docker-wrapper-$(shell id -u)/$(WHERE)'
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
