# Needs Python 3.11, Go, Rust, make and git; everything else is pinned here and in .ci/.
# `make` lists the targets.

PYTHON        ?= python3.11
OPA_VERSION   := 1.22.2
REGAL_VERSION := 0.42.0
CEDAR_VERSION := 4.14.1
HEY_VERSION   := 0.1.5
COSIGN_VERSION := 3.1.3
# Of cedar-agent the newest; of Cerbos the newest that Go 1.26 builds.
CEDAR_AGENT_VERSION := 0.2.2-x86.64-unknown-linux-gnu
CERBOS_VERSION      := 0.55.0

BIN   := .venv/bin
OPA   := .tools/opa
REGAL := .tools/regal
CEDAR := .tools/cedar
HEY   := .tools/hey
COSIGN := .tools/cosign
TLOGCHECK := .tools/tlogcheck
COSECHECK := .tools/cosecheck
CEDAR_AGENT := .tools/cedar-agent
CERBOS      := .tools/cerbos
# Other policy servers, to be measured beside ours.
PEERS := $(CEDAR_AGENT).$(CEDAR_AGENT_VERSION) $(CERBOS).$(CERBOS_VERSION)
# Other people's tools, which must accept what we emit; only tests ask them.
TOOLS := $(REGAL).$(REGAL_VERSION) $(CEDAR).$(CEDAR_VERSION) $(COSIGN).$(COSIGN_VERSION) $(TLOGCHECK) $(COSECHECK)
# What `make image` makes, and the Debians for it, which `make clean` removes.
IMAGE ?= localhost/charter
IMAGE_BASE := .tools/image-base.tar
SYSTEMD_BASE := .tools/systemd-base.tar
# How many histories `make faults` tries of each fault.
SEEDS ?= 10
# What `make bench` is told besides, as in BENCH="--only rules --seconds 5".
BENCH ?=
# Tests that hold whatever else runs, and so may run beside one another.
TOGETHER := tests/conformance tests/dsl tests/properties $(wildcard tests/gateway/test_*.py) \
        $(addprefix tests/gateway/,attestation keeping keys ledger nodes own_evidence pdp \
        reappraise record sources stamping verify witness)
# How many questions `make agree` puts to every engine.
N     ?= 20000
LOCK  := $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --python-version 3.11 \
        --generate-hashes --no-header --no-emit-index-url

export CHARTER_OPA := $(CURDIR)/$(OPA)
export CHARTER_REGAL := $(CURDIR)/$(REGAL)
export CHARTER_CEDAR := $(CURDIR)/$(CEDAR)
export CHARTER_COSIGN := $(CURDIR)/$(COSIGN)
export CHARTER_TLOGCHECK := $(CURDIR)/$(TLOGCHECK)
export CHARTER_COSECHECK := $(CURDIR)/$(COSECHECK)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help setup test faults image debian demo bench bench-peers lint format types agree wheel lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/.stamp $(OPA).$(OPA_VERSION) ## create .venv, install the pins, find or build OPA

test: lint types $(TOOLS) debian ## lint, types and all tests
	@failed=0; \
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(TOGETHER) || failed=1; \
	$(BIN)/python -m pytest $(TOGETHER:%=--ignore=%) || failed=1; \
	exit $$failed

faults: setup debian ## what a machine does to a gateway, with SEEDS as many histories
	CHARTER_FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest tests/faults

image: setup ## build the container image on a small Debian, run it and the unit of systemd
	@.ci/install-debian debian-image.txt
	test -f $(IMAGE_BASE) || .ci/build-image-base $(IMAGE_BASE)
	test -f $(SYSTEMD_BASE) || .ci/build-image-base $(SYSTEMD_BASE) systemd-sysv dbus
	.ci/build-image $(IMAGE_BASE) $(IMAGE)
	CHARTER_IMAGE=$(IMAGE) CHARTER_SYSTEMD_BASE=$(CURDIR)/$(SYSTEMD_BASE) $(BIN)/python -m pytest tests/deploy

demo: setup ## a real gateway, eight questions, one proof checked offline
	$(BIN)/python tests/demo/run.py

bench: setup bench-peers $(HEY).$(HEY_VERSION) ## decisions per second beside other servers, memory; compiling; evidence
	$(BIN)/python tests/bench/run.py --hey $(CURDIR)/$(HEY) $(BENCH)
	$(BIN)/python tests/bench/compile.py
	$(BIN)/python tests/bench/attest.py

bench-peers: $(PEERS) ## build the servers that `make bench` compares with, once

lint: setup ## formatting and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: setup ## one layout, and the lint that mends itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: setup ## strict types
	$(BIN)/pyright

agree: setup ## N generated questions to every engine, with the model for an oracle
	$(BIN)/python tests/agree.py $(N)

wheel: setup ## build dist/*.whl
	$(BIN)/python -m hatchling build --target wheel

lock: setup ## pin the newest versions that pyproject.toml allows
	$(LOCK) --output-file .ci/requirements.txt
	$(LOCK) --group dev --constraint .ci/requirements.txt --output-file .ci/requirements-dev.txt
	$(LOCK:pyproject.toml=) --group build --constraint .ci/requirements-dev.txt --output-file .ci/requirements-build.txt

clean: ## remove all that was built or installed here
	rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis build dist

debian:
	@.ci/install-debian

.venv/.stamp: .ci/requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-input --only-binary :all: --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --no-input --no-deps --no-build-isolation --editable .
	touch $@

$(OPA).$(OPA_VERSION):
	.ci/install-opa $(OPA_VERSION) $(OPA)
	touch $@

$(REGAL).$(REGAL_VERSION):
	.ci/install-regal $(REGAL_VERSION) $(REGAL)
	touch $@

$(CEDAR).$(CEDAR_VERSION):
	.ci/install-cedar $(CEDAR_VERSION) $(CEDAR)
	test ! -x $(CEDAR) || touch $@

$(COSIGN).$(COSIGN_VERSION):
	.ci/install-cosign $(COSIGN_VERSION) $(COSIGN)
	touch $@

$(TLOGCHECK): $(wildcard tests/tools/tlogcheck/*)
	cd tests/tools/tlogcheck && go build -ldflags '-s -w' -o $(CURDIR)/$@ .

$(COSECHECK): $(wildcard tests/tools/cosecheck/*)
	cd tests/tools/cosecheck && go build -ldflags '-s -w' -o $(CURDIR)/$@ .

$(HEY).$(HEY_VERSION):
	GOBIN=$(CURDIR)/.tools go install github.com/rakyll/hey@v$(HEY_VERSION)
	touch $@

# Where one cannot be built, a file beside it says why, and the bench leaves it out.
$(CEDAR_AGENT).$(CEDAR_AGENT_VERSION):
	.ci/install-cedar-agent $(CEDAR_AGENT_VERSION) $(CEDAR_AGENT)
	touch $@

$(CERBOS).$(CERBOS_VERSION):
	.ci/install-cerbos $(CERBOS_VERSION) $(CERBOS)
	touch $@
