# Every target works from a fresh clone after `make venv`; CI calls the same ones.
VENV ?= .venv
export PATH := $(abspath $(VENV))/bin:$(PATH)
PYTEST := python3 -m pytest

.DEFAULT_GOAL := help
.PHONY: help venv fmt format-check lint type imports rules test docs deb trial check \
	test-integration test-acceptance bench test-all

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-18s %s\n", $$1, $$2 }'

venv: ## make .venv with the product and its development tools
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'

fmt: ## format the code and repair what ruff can repair
	ruff format .
	ruff check --fix .

format-check: ## fail where `make fmt` would change the layout
	ruff format --check .

lint: ## ruff and spelling
	ruff check .
	codespell

type: ## mypy --strict
	mypy

imports: ## which floor of appliance/ may import which (pyproject.toml)
	lint-imports

rules: format-check lint type imports ## everything that needs no test run

test: ## unit and golden tests: no network, no servers
	$(PYTEST) -q -n auto $(wildcard tests/unit tests/golden)

docs: ## write the reference of every option, appliance/REFERENCE.md
	python3 -m deploy.reference

deb: ## the Debian packages and their apt repository in dist/ (root; 40 MB of wheels and jars)
	deploy/package build

trial: ## install, hurt, upgrade, remove and purge the packages in booted systems (root)
	deploy/package trial

check: rules test ## what each change must pass; under a minute

test-integration: ## tests against real servers, which they start and stop
	$(PYTEST) $(wildcard tests/conformance tests/integration)

test-acceptance: ## the daemon through REST on real servers
	$(PYTEST) $(wildcard tests/tui tests/acceptance)

bench: ## figures beside Kafka Connect and Debezium (tests/benchmarks/README.md has more)
	for work in N W T U SN SW; do python3 -m tests.benchmarks.cdc --work $$work || exit 1; done
	for name in jdbc hdfs_sink filestream latency rest startup_memory data_layer console console_daemon; do \
		python3 -m tests.benchmarks.$$name || exit 1; \
	done

test-all: ## every test, from nothing: what CI runs
	tests/run
