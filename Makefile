# Two commands matter: `make up` runs the demo alliance, `make test` checks everything.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
export PYTHON
DEV := .venv-dev/bin

.PHONY: help up test test-stores native lint lint-python lint-rust test-rust test-python environments artefacts lock docs clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

up:  ## build what is missing, then start (or go on with) the demo alliance of four organisations
	@tools/check_machine.sh product
	@tools/install_product.sh
	@.venv/bin/hansa up

test:  ## everything that must hold: lint, Rust tests, Python tests
	@tools/run_checks.sh

environments:  ## the virtual environments and packages that tests use
	@tools/check_machine.sh test
	@tools/make_venv.sh .venv-dev requirements-dev.lock src
	@tools/make_venv.sh .venv-vyper requirements-vyper.lock
	@tools/install_node_clients.sh

# The native core in its fast-to-build profile, beside the Python sources. Copied and renamed, so that a process that
# runs the old one keeps it.
native:  ## the native core for work on the code
	cargo build --locked --workspace
	@cp target/debug/lib_native.so src/hansa/.native.tmp
	@mv src/hansa/.native.tmp src/hansa/_native.abi3.so

lint: lint-python lint-rust  ## style, types, warnings

lint-python:
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy

lint-rust:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings

test-rust:
	cargo test --locked --workspace --exclude hansa-py --quiet

test-python:
	$(DEV)/python -m pytest

test-stores:  ## backups in an object store, against an S3-compatible server in an environment of its own
	@tools/make_venv.sh .venv-stores requirements-stores.lock
	HANSA_STORES=$(CURDIR)/.venv-stores/bin/python $(DEV)/python -m pytest tests/processes/test_object_store.py

artefacts:  ## compile the contracts to their committed artefacts
	@tools/make_venv.sh .venv-vyper requirements-vyper.lock
	.venv-vyper/bin/python contracts/build.py

docs:  ## write the generated pages: docs/reference from the code, docs/benchmark.md from docs/results
	$(DEV)/python tools/write_reference.py
	$(DEV)/python tools/write_benchmark.py

UV_COMPILE := $(DEV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url

lock:  ## write the lock files anew from pyproject.toml
	$(DEV)/python -m pip install --quiet uv==0.13.9
	$(UV_COMPILE) pyproject.toml -o requirements.lock
	$(UV_COMPILE) pyproject.toml --group dev -o requirements-dev.lock
	$(UV_COMPILE) --group vyper -o requirements-vyper.lock
	$(UV_COMPILE) pyproject.toml --group fuzz -o requirements-fuzz.lock
	$(UV_COMPILE) --group stores -o requirements-stores.lock

clean:  ## remove what was built, and what fuzzers found; ledgers and keys stay
	rm -rf .venv .venv-dev .venv-vyper .venv-fuzz .venv-stores .stamps fuzz-findings target src/hansa/_native.abi3.so .mypy_cache .ruff_cache .pytest_cache
