# Everything a newcomer needs: `make demo` and `make test`; each sets up .venv by itself.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## draw faces, simulate three observers, label, train and sample: 10 to 20 minutes
	$(RUN) data.prepare drawn
	$(RUN) sessions.simulate --subjects 3 --force
	$(RUN) labeling.build
	$(RUN) model.train --run runs/demo --force --batch 32 --steps 1400 --reader-rounds 2 --reader-steps 300 --save-every 200
	$(RUN) model.sample --run runs/demo --smile -3 -0.5 0.5 3
	@echo "Look at runs/demo/samples/strip.png: each row is one person, from stern to laughing."

test: $(VENV)/installed-dev  ## run the tests
	$(RUN) pytest

lint: $(VENV)/installed-dev  ## check style and types
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

clean:  ## remove the environment and caches; recordings, image sets and runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
