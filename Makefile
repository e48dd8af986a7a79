# Hooks, CI and people call these same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

AUTHORING := .venv-authoring
BENCH := .venv-bench
CHECKS := .venv-checks
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.PHONY: help setup demo workshop test terraform-test test-spark bench check audit format lock test-sfn-local \
	pipeline-definition notebooks bundles plan publish deploy smoke evidence clean
.DEFAULT_GOAL := help

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 24

setup: $(VENV)/.ready ## create .venv from the hash-pinned lock files

$(VENV)/.ready: requirements/dev.txt requirements/dataset.txt pyproject.toml
	@echo "Setting up $(VENV) (about a minute the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --require-hashes --no-deps -r requirements/dataset.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(AUTHORING)/.ready: requirements/authoring.txt requirements/authoring-nodeps.txt
	@echo "Setting up $(AUTHORING): the SageMaker SDK, for the pipeline definition and the workshop"
	@test -x $(AUTHORING)/bin/python || $(PYTHON) -m venv $(AUTHORING)
	@$(AUTHORING)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/authoring.txt
	@$(AUTHORING)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r requirements/authoring-nodeps.txt
	@touch $@

$(CHECKS)/.ready: requirements/checks.txt
	@echo "Setting up $(CHECKS): policy checks of Terraform and roles, which need other versions of libraries"
	@test -x $(CHECKS)/bin/python || $(PYTHON) -m venv $(CHECKS)
	@$(CHECKS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/checks.txt
	@touch $@

demo: setup ## train, approve, predict, compare with the truth and promote, on the embedded local cloud
	@$(BIN)/titanic demo

workshop: setup $(AUTHORING)/.ready ## serve a version by hand with the SageMaker SDK: docs/workshop/
	@$(AUTHORING)/bin/python docs/workshop/serving.py

test: setup $(AUTHORING)/.ready ## all tests; those of Terraform where it is installed
	@$(BIN)/python -m pytest -n auto --dist loadgroup

terraform-test: setup ## apply every Terraform stage to a local cloud, use it, destroy it
	@TITANIC_REQUIRE_TERRAFORM=1 $(BIN)/python -m pytest tests/terraform

test-spark: $(VENV)/.spark-ready ## prep on Spark and on Polars, compared; needs Java 17, installs pyspark
	@TITANIC_REQUIRE_SPARK=1 $(BIN)/python -m pytest tests/unit/glue_jobs/test_spark.py

$(VENV)/.spark-ready: $(VENV)/.ready requirements/spark.txt
	@echo "Installing pyspark, 330 MB"
	@$(PIP) install --require-hashes --no-build-isolation -r requirements/spark.txt
	@touch $@

bench: setup $(BENCH)/.ready $(VENV)/.spark-ready ## measure what users wait for, half an hour; writes docs/performance.md
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks suite

$(BENCH)/.ready: requirements/bench.txt
	@echo "Setting up $(BENCH): DuckDB to compare with, matplotlib for the plot"
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt
	@touch $@

SFN_LOCAL_PORT ?= 8083
test-sfn-local: setup ## the state machine scenarios on AWS's own engine, where Docker runs
	@if ! docker info >/dev/null 2>&1; then echo "Step Functions Local did NOT run: no Docker engine"; else \
	  trap 'docker compose down --timeout 5' EXIT; \
	  SFN_LOCAL_PORT=$(SFN_LOCAL_PORT) docker compose up --detach stepfunctions-local && \
	  SFN_LOCAL_ENDPOINT=http://127.0.0.1:$(SFN_LOCAL_PORT) $(BIN)/python -m pytest tests/statemachines; fi

check: setup $(AUTHORING)/.ready $(CHECKS)/.ready ## formatter, linter, types, security, workflows, Terraform, permissions, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive functions glue_jobs localcloud ops pipeline_code pipeline_definition scripts --configfile pyproject.toml
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml .github
	$(BIN)/python -m scripts.terraform_check
	$(CHECKS)/bin/checkov --config-file .ci/checkov.yaml
	$(CHECKS)/bin/python -m scripts.iam_reference
	$(AUTHORING)/bin/python -m pipeline_definition.author --check
	$(BIN)/python -m scripts.notebooks --check

audit: $(CHECKS)/.ready ## known vulnerabilities of what is installed; asks a service on the network
	for file in requirements/*.txt; do $(CHECKS)/bin/pip-audit --require-hashes --disable-pip --requirement $$file || exit 1; done

pipeline-definition: $(AUTHORING)/.ready ## author the pipeline definition again with the SageMaker SDK
	$(AUTHORING)/bin/python -m pipeline_definition.author

notebooks: setup ## write the workshop's notebook again, after a change in its script
	$(BIN)/python -m scripts.notebooks

lock: setup ## resolve requirements/*.in again
	$(PIP) install uv
	cd requirements && for file in local dev authoring checks spark bench; do ../$(LOCK) $$file.in -o $$file.txt; done
	cd requirements && for file in authoring-nodeps dataset; do ../$(LOCK) --no-deps $$file.in -o $$file.txt; done

format: setup ## apply the formatter and the safe fixes
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# What CI deploys with, on the account of the environment's AWS credentials: see docs/05-cicd.md.
ENVIRONMENT ?= dev
export TF_VAR_alert_emails := $(or $(ALERT_EMAILS),[])
STAGES = $(BIN)/python -m scripts.terraform_stages --environment "$(ENVIRONMENT)" --owner "$(OWNER)" \
	--cost-center "$(COST_CENTER)" --github-repository "$(TOKEN_REPOSITORY)" --account-id "$(ACCOUNT_ID)"

bundles: setup ## build the code bundle and the functions' archives into build/: the same commit, the same bytes
	@$(BIN)/python -m ops.bundles --out build

plan: setup ## what deploying would change, also as build/plan.md
	@mkdir -p build
	@$(STAGES) plan --report build/plan.md

publish: setup ## put this commit's code bundle into the data bucket, once
	@$(BIN)/python -m scripts.release publish --env "$(ENVIRONMENT)"

deploy: setup ## apply the stages that CI may apply
	@$(STAGES) deploy

smoke: setup ## one training run of what is deployed, and the record that COMMIT passed it
	@$(BIN)/python -m scripts.release smoke --env "$(ENVIRONMENT)" --commit "$(COMMIT)"

evidence: setup ## whether COMMIT has passed in ENVIRONMENT
	@$(BIN)/python -m scripts.release evidence --env "$(ENVIRONMENT)" --commit "$(COMMIT)"

clean: ## remove what set-up and runs made
	rm -rf $(VENV) $(AUTHORING) $(BENCH) $(CHECKS) .localcloud build .cache
