# Each target first installs or builds what is missing: system packages, the Python environment, Pulumi.
# CONTRIBUTING.md describes the targets.

PY := .venv/bin/python
ARGS ?=
RUNS ?= 50
JOBS ?=
# Many tests wait for processes, so there is one worker more than CI has processors.
WORKERS = -n $(or $(JOBS),3) --dist loadfile
SEED ?=
SECONDS ?= 60
# Tests of the text: `make check` runs them.
CHECKED = --ignore tests/docs --ignore tests/architecture

# Tests start hundreds of Python processes, and pytest rewrites each file with tests: without the files that Python keeps
# for the next time, each process would compile all modules again. Where this variable is set, it would keep none.
export PYTHONDONTWRITEBYTECODE :=

# Tests and benchmarks compare with the plain CLI, so they need it on PATH. Eph finds it by itself.
WITH_TOOLS = PATH="$$($(PY) -m stacks.toolchain.pulumi_cli --path):$$PATH"

.PHONY: demo test test-long test-exhaustive test-all check check-types check-lint check-texts bench bench-small attack attack-small attack-cluster chaos model sabotage soak toolchain hooks docs site locks clean venv pulumi
.PHONY: cluster-up cluster-down test-cluster test-cluster-small plugin-kubernetes helm kustomize docker-compose pulumi-language-yaml pulumi-nodejs pulumi-policy browser airflow ministack screenshots image audit sbom databases rails
.DEFAULT_GOAL := help
.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 19

demo: ## run Eph with a sample shop, or your app: ARGS='--repo PATH'; ARGS='--once --target kubernetes' runs it unattended on a cluster
	@infra/toolchain/demo.sh $(ARGS)

test: pulumi ## run the tests, with real components; ARGS='-k name' selects some of them
	@$(WITH_TOOLS) $(PY) -m pytest $(WORKERS) -m "not (long or exhaustive)" --ignore tests/cluster $(CHECKED) $(ARGS)

test-long: pulumi databases helm kustomize docker-compose pulumi-language-yaml pulumi-policy browser airflow ministack ## run the slow tests: a whole Eph on each target, killed replicas, malicious forks
	@$(WITH_TOOLS) $(PY) -m pytest $(WORKERS) -m "long and not exhaustive" --ignore tests/cluster $(ARGS)

test-exhaustive: pulumi databases helm kustomize docker-compose pulumi-language-yaml pulumi-nodejs pulumi-policy browser airflow ministack rails ## run the slow tests that CI leaves out: every demo and recipe, more kills and faults
	@$(WITH_TOOLS) $(PY) -m pytest $(WORKERS) -m exhaustive --ignore tests/cluster $(ARGS)

test-all: ## everything that CI runs, then the slow proofs (model, soak, sabotage, chaos); takes hours
	@.ci/run --all

check: venv audit ## check lint, format, types, import directions, docs, and the locked packages for vulnerabilities
	@$(MAKE) --no-print-directory --jobs 2 check-types check-lint check-texts

# Types take as long as everything else, so the rest is checked beside them.
check-types: venv
	@$(PY) -m mypy --no-error-summary

check-lint: venv
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@.venv/bin/lint-imports --no-logo

check-texts: venv
	@$(PY) -m pytest -q -p no:cacheprovider tests/docs tests/architecture

bench: pulumi ## run the benchmarks and update docs/reference/benchmarks.md
	@$(WITH_TOOLS) $(PY) -m tests.bench $(ARGS)

bench-small: pulumi ## run all local benchmarks in a reduced size to see that they still work
	@$(WITH_TOOLS) $(PY) -m tests.bench --small $(ARGS)

chaos: pulumi ## run a real Eph through kills and faults, then check it from outside; RUNS=50 SEED=1 repeats a run
	@$(WITH_TOOLS) $(PY) -m tests.chaos --runs $(RUNS) --jobs $(or $(JOBS),2) $(if $(SEED),--seed $(SEED)) $(ARGS)

model: venv ## run thousands of random histories against a model in virtual time; SECONDS=60 SEED=1
	@$(PY) -m tests.model --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

sabotage: pulumi ## disable each guard in turn and check that tests detect it; ARGS='--only lock' selects some of them
	@$(WITH_TOOLS) $(PY) -m tests.sabotage $(ARGS)

attack: pulumi ## try every known attack on a whole Eph; ARGS='--only gateway' selects some of them
	@$(WITH_TOOLS) $(PY) -m tests.attack $(ARGS)

attack-small: pulumi ## try all attacks but the slow ones
	@$(WITH_TOOLS) $(PY) -m tests.attack --small $(ARGS)

attack-cluster: pulumi plugin-kubernetes helm kustomize ## try the attacks that need a real Kubernetes cluster, started for them
	@$(WITH_TOOLS) PYTHON=$(CURDIR)/$(PY) infra/toolchain/cluster/with.sh $(PY) -m tests.attack --cluster $(ARGS)

soak: venv ## run ten thousand cycles in virtual time and check that nothing grows; ARGS='--cycles 1000'
	@$(PY) -m tests.model.soak $(ARGS)

test-cluster: pulumi plugin-kubernetes helm kustomize databases ## run the tests on a real Kubernetes cluster, started for them; EPH_TEST_KUBECONFIG=FILE uses yours
	@$(WITH_TOOLS) PYTHON=$(CURDIR)/$(PY) infra/toolchain/cluster/with.sh $(PY) -m tests.cluster $(ARGS)

test-cluster-small: pulumi plugin-kubernetes helm kustomize databases ## run most of them: without the installation, the demo and outages
	@$(WITH_TOOLS) PYTHON=$(CURDIR)/$(PY) infra/toolchain/cluster/with.sh $(PY) -m tests.cluster --small $(ARGS)

image: pulumi plugin-kubernetes helm kustomize ## build the container image without a daemon; ARGS=file.tar also writes it to that file
	@PYTHON=$(CURDIR)/$(PY) infra/docker/build.sh $(ARGS)

cluster-up: venv ## start a single-node Kubernetes on this machine and print the variables to export
	@PYTHON=$(CURDIR)/$(PY) infra/toolchain/cluster/up.sh

cluster-down: ## stop it and remove all traces
	@infra/toolchain/cluster/down.sh

plugin-kubernetes: pulumi ## find, download or build Pulumi's Kubernetes plugin
	@PATH="$$($(PY) -m stacks.toolchain.pulumi_cli --path):$$PATH" $(PY) -m stacks.toolchain.plugins kubernetes >/dev/null

helm: pulumi ## find or build Helm
	@PATH="$$($(PY) -m stacks.toolchain.pulumi_cli --path):$$PATH" $(PY) -m stacks.toolchain.plugins helm >/dev/null

kustomize: pulumi ## find or build kustomize
	@$(PY) -m stacks.toolchain.plugins kustomize >/dev/null

docker-compose: pulumi ## find or build Docker Compose, and install Docker's engine for tests
	@PATH="$$($(PY) -m stacks.toolchain.pulumi_cli --path):$$PATH" $(PY) -m stacks.toolchain.plugins docker-compose >/dev/null
	@infra/toolchain/engine.sh

databases: ## install Redis and MariaDB, which environments on local can run
	@infra/toolchain/databases.sh

rails: ## install Ruby with the gems of Rails, for the test of its recipe
	@infra/toolchain/rails.sh

pulumi-language-yaml: pulumi ## find or build Pulumi's language host for YAML projects
	@$(WITH_TOOLS) $(PY) -m stacks.toolchain.plugins pulumi-language-yaml >/dev/null

pulumi-nodejs: ## install Pulumi's SDK for Node.js into the cache, for the tests of Pulumi projects
	@infra/toolchain/pulumi-nodejs.sh >/dev/null

pulumi-policy: ## install Pulumi's policy SDK into the cache, for the tests of policy packs
	@infra/toolchain/pulumi-policy.sh >/dev/null

browser: ## find or install Chromium
	@infra/toolchain/browser.sh

airflow: ## install Apache Airflow into the cache, for the tests of data pipelines
	@infra/toolchain/airflow.sh >/dev/null

ministack: ## install MiniStack into the cache, for the tests of the target aws
	@infra/toolchain/ministack.sh >/dev/null

toolchain: venv ## find, download or build the Pulumi CLI, and print its path
	@$(PY) -m stacks.toolchain.pulumi_cli

screenshots: pulumi browser ## make the pictures of the documentation from a real ephd
	@$(WITH_TOOLS) $(PY) -m tests.e2e.screenshots

hooks: ## install the Git hook that runs the checks before each commit
	@mkdir -p "$$(git rev-parse --git-path hooks)"
	@ln -sf "$(CURDIR)/infra/toolchain/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"
	@echo "git runs 'make check' before each commit of this clone; 'git commit --no-verify' skips it"

docs: venv ## regenerate the generated pages, then check all docs
	@$(PY) -m docs.generate
	@$(PY) -m pytest -q -p no:cacheprovider tests/docs

site: venv ## build the documentation as a site in dist/site, and fail on broken links
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict --config-file infra/site/mkdocs.yml

locks: venv ## regenerate requirements*.lock from pyproject.toml
	@infra/toolchain/locks.sh $(CURDIR)/$(PY)

audit: venv ## look up known vulnerabilities of the locked packages, if the database can be reached
	@infra/toolchain/audit.sh $(PY)

sbom: venv ## write the software bill of materials to dist/eph.cdx.json; ARGS=FILE writes another file
	@$(PY) infra/toolchain/sbom.py $(or $(ARGS),dist/eph.cdx.json)

clean: ## remove what make created in this clone; the cache shared by all clones stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "kept: $${EPH_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/eph} (Python packages and Pulumi, for all clones)"

venv:
	@infra/toolchain/system.sh
	@infra/toolchain/venv.sh

pulumi: venv
	@$(PY) -m stacks.toolchain.pulumi_cli >/dev/null
