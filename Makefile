# make run           the whole product on the sandbox: simulators, storage, the app; runs until Ctrl-C
# make run ONCE=1    the same main job, both sides compared at the end; exit 0 only if every pair agrees
# make test          all tests and linters
# make campaign      many deals, edits and faults at once; exit 0 only if nothing is lost, doubled or left unexplained
#                    (SEED, DEALS, MINUTES, CRM, EDITS, FAULTS, HOSTS; docs/reliability.md)
# make check-infra   checkov of infra/main.bicep, in an environment of its own (290 MB: not part of make test)
# make health        what of an installation works and what does not (settings from local.settings.json)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The worker library declares Python 3.13; it runs the app in process on 3.11 and 3.12 too, for the local host.
RUNTIME := azure-functions-runtime==1.3.0
WORKERS ?= 2
CHECKOV := checkov==3.3.30

.PHONY: run campaign test lint setup health check-infra clean

run: setup
	@$(BIN)/python -m sandbox --crm $(or $(CRM),dynamics365) $(if $(ONCE),--once) $(if $(DOCUMENTS),--documents $(DOCUMENTS)) $(if $(PORT),--port $(PORT))

test: setup lint
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(TESTS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

campaign: setup
	@$(BIN)/python -m sandbox.campaign --crm $(or $(CRM),dynamics365) --seed $(or $(SEED),1) --deals $(or $(DEALS),50) --minutes $(or $(MINUTES),2) $(if $(EDITS),--edits $(EDITS)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(HOSTS),--hosts $(HOSTS))

health: setup
	@$(BIN)/python -m cosell health --settings local.settings.json

check-infra: .checkov/installed
	@.checkov/bin/checkov --config-file .checkov.yaml 2> .checkov/log | $(PYTHON) -m tests.infra.scan

.checkov/installed:
	@echo "Installing $(CHECKOV) into .checkov ..."
	@$(PYTHON) -m venv .checkov
	@.checkov/bin/python -m pip install --quiet --disable-pip-version-check $(CHECKOV)
	@touch $@

setup: $(VENV)/installed sandbox/node_modules/installed

$(VENV)/installed: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "Installing Python packages into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python $(RUNTIME)
	@touch $@

sandbox/node_modules/installed: sandbox/package.json sandbox/package-lock.json
	@node -e 'if (+process.versions.node.split(".")[0] < 20) { console.error("Node 20 or newer is needed, this is " + process.version); process.exit(1) }'
	@echo "Installing Azurite ..."
	@cd sandbox && npm ci --silent --no-fund --no-audit
	@touch $@

clean:
	@rm -rf $(VENV) .checkov sandbox/node_modules .sandbox
