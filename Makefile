# Every target creates the environment if it is missing: only Python and make must be installed.
.DEFAULT_GOAL := help
.PHONY: help demo up test check dbt format bench bench-compare profile faults alerts fuzz coverage mutants soak truth lock clean screenshots compose-env sbom pin-images
SHELL := /bin/bash
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Tests that use servers mostly wait: three jobs keep two cores busy. Each has its own servers, about 800 MB.
JOBS ?= 3
PYTHON ?= $(firstword $(foreach name,python3.11 python3 python3.12 python3.13,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-for-hookline
BENCH := .venv-bench
BENCH_READY := $(BENCH)/.ready-for-hookline
DBT := .venv-dbt
DBT_READY := $(DBT)/.ready-for-hookline
SBOM := .venv-sbom
SBOM_READY := $(SBOM)/.ready-for-hookline
TRUTH := .venv-truth
TRUTH_READY := $(TRUTH)/.ready-for-hookline
PACKAGES := schemas runtime ingest processors sinks hookline

help: ## List the targets
	@printf '\nHookline: webhooks in, rows out.\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1: \2/p' $(MAKEFILE_LIST)
	@printf '\nThen: %s --help\n\n' '$(BIN)/hookline'

demo: $(READY) ## Watch webhooks of five platforms become rows (ONCE=1: check the rows, then stop)
	@$(BIN)/hookline demo $(if $(ONCE),--once)

up: $(READY) ## Kafka, registry, PostgreSQL and the three stages on this machine, until Ctrl-C
	@$(BIN)/hookline up $(ARGS)

compose-env: ## Write .env and shops/shops.toml for docker compose; existing files are kept
	@umask 077; secret() { od -An -v -N "$$1" -tx1 /dev/urandom | tr -d ' \n'; }; \
		fill() { while read -r line; do case "$$line" in \
			*_KEY=) echo "$$line$$(secret 32)";; *_PASSWORD=) echo "$$line$$(secret 16)";; *) echo "$$line";; esac; done; }; \
		if [ -e .env ]; then echo '.env exists and is kept: its secrets must never change'; \
			for name in $$(sed -n 's/^\([A-Z_]*\)=$$/\1/p' .env.example); do grep -q "^$$name=" .env || \
				{ { echo; echo "$$name=" | fill; } >> .env && echo "added $$name, which this version needs, to .env"; }; done; \
		else fill < .env.example > .env.new && mv .env.new .env \
			&& echo 'wrote .env with new secrets: keep a copy of it'; fi
	@mkdir -p shops; if [ ! -e shops/shops.toml ]; then cp shops.example.toml shops/shops.toml \
		&& echo 'wrote shops/shops.toml with the secrets of the example: replace them'; fi

test: check $(DBT_READY) $(SBOM_READY) $(TRUTH_READY) ## Check, then run every test (ARGS="-k cart": some; JOBS=0: one after the other)
	@$(BIN)/python -m pytest --ignore=tests/bench -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=5 $(ARGS)

check: $(READY) ## Lint, format, types, layers, vocabulary
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.vocabulary

dbt: $(READY) $(DBT_READY) ## Build the dbt models of docs/dbt and run their tests
	@$(BIN)/python -m pytest -q tests/integration/tables/test_dbt.py $(ARGS)

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(BENCH_READY) ## Measure each stage and its alternatives (ONLY=sinks,e2e: some; QUICK=1: a smoke test)
	@$(BENCH)/bin/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(ARGS)

bench-compare: $(BENCH_READY) ## Compare the newest bench with an earlier one (BASE=commit or file)
	@$(BENCH)/bin/python -m tests.bench --compare '$(BASE)' $(ARGS)

profile: $(BENCH_READY) ## A flame graph of a stage under the bench's load (STAGE=process, sink or ingest)
	@$(BENCH)/bin/python -m tests.bench --profile '$(or $(STAGE),process)' $(ARGS)

faults: $(READY) ## Kill and stop running stages, count losses (FAULT=storm SEED=7 COUNT=2000: one, smaller)
	@$(BIN)/python -m tests.faults $(if $(FAULT),--fault $(FAULT)) $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)
	@$(if $(FAULT),true,$(MAKE) --no-print-directory fuzz)

alerts: $(READY) ## Outages beside a real Prometheus: each raises its alerts and no other (FAULT=no-sinks: one)
	@$(BIN)/python -m tests.faults --alerts $(if $(FAULT),--fault $(FAULT)) $(ARGS)

coverage: $(READY) ## Branch coverage of ingest, adapters and contracts by unit tests
	@$(BIN)/coverage run --branch --source=ingest,processors/sources,schemas -m pytest -q tests/unit \
		tests/hostile --deselect tests/hostile/test_fuzz.py
	@$(BIN)/coverage report --include='*/ingest/*,*/processors/sources/*' --fail-under=97
	@$(BIN)/coverage report --include='*/schemas/*' --fail-under=95

mutants: $(READY) ## Mutation tests of proofs, dedupe and one adapter
	@$(BIN)/python -m tests.mutants

fuzz: $(READY) ## A million mutated bodies through readers and adapters (BODIES=20000 SEED=7: fewer, again)
	@$(BIN)/python -m tests.hostile.fuzz --count $(or $(BODIES),1000000) $(if $(SEED),--seed $(SEED))

soak: $(READY) ## An hour of steady deliveries: memory stays flat, no alert is raised (MINUTES=10: shorter)
	@$(BIN)/python -m tests.faults.soak $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

truth: $(READY) $(TRUTH_READY) ## Five pipelines answer the same deliveries; writes docs/truth.md (SEED=7: another history)
	@$(BIN)/python -m tests.answers --write $(if $(SEED),--seed $(SEED)) $(ARGS)

screenshots: $(READY) ## Pictures of every page, wide and narrow, light and dark, in docs/pictures (needs Chromium)
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

sbom: $(SBOM_READY) ## Write sbom.cdx.json: every package of the lock and every download of `up` (CycloneDX)
	@$(SBOM)/bin/python -m tests.sbom

pin-images: $(READY) ## Add to every image the digest that its registry has for its tag (needs docker)
	@$(BIN)/python -m tests.pin_images $(ARGS)

lock: $(READY) ## Lock the newest versions that pyproject.toml allows
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --system-certs --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group dev --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --system-certs --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --group bench --output-file requirements-bench.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --system-certs --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --no-strip-extras --group dbt --output-file requirements-dbt.lock
	@$(BIN)/uv pip compile --quiet --system-certs --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --no-strip-extras --group sbom --output-file requirements-sbom.lock
	@$(BIN)/uv pip compile --quiet --system-certs --upgrade --universal --generate-hashes --no-header --no-annotate \
		--python-version 3.11 --no-strip-extras --group truth --output-file requirements-truth.lock

clean: ## Remove the environment, caches and this folder's data (downloads outside it stay)
	@rm -rf $(VENV) $(BENCH) $(DBT) $(SBOM) $(TRUTH) sbom.cdx.json docs/dbt/target docs/dbt/logs .hookline .make build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs again only if the lock or pyproject.toml is newer than this stamp.
$(READY): requirements.lock pyproject.toml
	@test -n '$(PYTHON)' && '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Hookline needs Python 3.11 or newer: install it, or make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Creating the environment in $(VENV) ...'; '$(PYTHON)' -m venv $(VENV) \
		|| { echo 'That Python has no venv: install it (Debian: apt install python3-venv)' >&2; exit 1; }; }
	@echo 'Installing the locked packages ...'
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(BENCH_READY): requirements-bench.lock $(READY)
	@echo 'Installing the packages of the bench in $(BENCH) ...'
	@test -x $(BENCH)/bin/python || '$(PYTHON)' -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	@$(BENCH)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# dbt alone: the models reach the tables through PostgreSQL only.
$(DBT_READY): requirements-dbt.lock | $(READY)
	@echo 'Installing dbt in $(DBT) ...'
	@test -x $(DBT)/bin/python || '$(PYTHON)' -m venv $(DBT)
	@$(DBT)/bin/python -m pip install --quiet --require-hashes -r requirements-dbt.lock
	@touch $@

# Alone as well: what makes the list of our packages is none of them.
$(SBOM_READY): requirements-sbom.lock | $(READY)
	@echo 'Installing the maker of the SBOM in $(SBOM) ...'
	@test -x $(SBOM)/bin/python || '$(PYTHON)' -m venv $(SBOM)
	@$(SBOM)/bin/python -m pip install --quiet --require-hashes -r requirements-sbom.lock
	@touch $@

$(TRUTH_READY): requirements-truth.lock | $(READY)
	@echo 'Installing DuckDB in $(TRUTH) ...'
	@test -x $(TRUTH)/bin/python || '$(PYTHON)' -m venv $(TRUTH)
	@$(TRUTH)/bin/python -m pip install --quiet --require-hashes -r requirements-truth.lock
	@touch $@
