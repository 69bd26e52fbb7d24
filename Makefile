# Needs make and Python 3.11 or later, nothing else: the first command makes .venv and installs what it needs there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNING := $(VENV)/.running
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/.peers
SPARK := $(VENV)/.spark
RELEASE := $(VENV)/.release
ADAPTERS := build/adapters
HASS := build/home-assistant/bin/hass
HASS_PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python) $(shell command -v python3.13))
KERNELS := $(shell find ewad/kernels -name '*.py' -o -name '*.pxd')

# Compiled modules are kept even where the environment says no: hundreds of processes start in a run of the tests.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo docs package page reference adapters test test-slow test-all coverage fresh lint pictures bench chaos simulate brokers home-assistant soak scale fuzz
.DELETE_ON_ERROR:

help:
	@echo "make demo     run ewad on sample temperatures, with a broker of its own; ARGS='--duration 30s' for options"
	@echo "make test     run the tests, without the slow ones; those of the system need mosquitto, prometheus, faketime"
	@echo "make test-all run all tests, the slow ones too"
	@echo "make coverage make test, with the lines and branches counted that it runs, in subprocesses too"
	@echo "make fresh    run the property tests with examples of a fresh seed, which is printed"
	@echo "make adapters hold the adapters for river and sktime to the checks of those libraries"
	@echo "make lint     check style and types"
	@echo "make reference  write the reference pages and the dashboards anew, of what the code knows"
	@echo "make docs     build the documentation as a site, build/site/index.html"
	@echo "make package  build what is shipped into dist: source package, wheel, Debian package"
	@echo "make page     fetch uPlot, which draws the page's charts, where setting up could not"
	@echo "make pictures  draw the pictures of the README anew, those of pages by chromium; that of Home Assistant where it is installed"
	@echo "make bench    measure ewad beside its peers; torch only where it is installed: $(BIN)/pip install torch==2.13.0"
	@echo "make chaos    do 500 faults to the network and kill the daemon 800 times: nothing may be lost or doubled"
	@echo "make simulate try the session against a model broker in 100,000 worlds; ARGS='--seed 7' replays one"
	@echo "make brokers  kill the daemon 30 times with each broker that is installed: a table of lost and doubled"
	@echo "make home-assistant  install a real Home Assistant core, by Python 3.13, and show it ewad's devices"
	@echo "make soak     put twenty million messages through a broker: nothing may grow; takes half an hour"
	@echo "make scale    kill every process between MQTT and Spark: nothing may be lost or doubled; needs Java 17, and rclone with fuse3"
	@echo "make fuzz     feed twenty million inputs, guided by coverage; ARGS='--inputs 100000 json' for less"
	@echo "PYTHON=python3.12 make ...   with another Python than python3, when .venv is made"

reference: $(INSTALLED)
	@$(BIN)/python -m docs.make_reference
	@$(BIN)/python -m deploy.grafana.generate

docs: $(RELEASE)
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs build/site
	@echo "the documentation: build/site/index.html"

# Equal sources give equal bytes: hatchling dates all files alike, and compiled kernels hold no place and no time.
package: $(INSTALLED)
	@rm -rf dist
	@$(BIN)/python -m hatchling build -d dist
	@if command -v dpkg-deb > /dev/null; then $(BIN)/python deploy/debian/build.py dist/*.whl -o dist; fi

page: $(RUNNING)
	@$(BIN)/python fetch_uplot.py

demo: $(RUNNING)
	@$(BIN)/ewad demo $(ARGS)

# Twice as many as cores: tests of the system wait half of their time. worksteal: the longest are in a few files
CORES := $(shell getconf _NPROCESSORS_ONLN)
PARALLEL := -n $(shell expr 2 '*' $(CORES)) --maxprocesses 8 --dist worksteal

test: $(INSTALLED)
	$(BIN)/python $(MEASURED) -m pytest $(PARALLEL) -m "not slow" $(ARGS)

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest $(PARALLEL) -m slow $(ARGS)

test-all: test test-slow

coverage: $(INSTALLED)
	$(BIN)/coverage erase
	$(MAKE) test MEASURED='-m coverage run'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fresh: $(INSTALLED)
	EWAD_SEED=$${EWAD_SEED:-fresh} $(BIN)/python -m pytest $(PARALLEL) -m "hypothesis and not slow" $(ARGS)

# In an environment of its own: sktime wants another pandas. The kernels are those of $(VENV).
adapters: $(ADAPTERS)/.installed
	PYTHONPATH=. $(ADAPTERS)/bin/python -m pytest $(PARALLEL) tests/estimators/test_adapters.py $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

pictures: $(INSTALLED)
	$(BIN)/ewad demo --listen 127.0.0.1:0 --record docs/pictures
	$(BIN)/ewad replay samples/ambient_temperature.csv --model auto --horizons 1,24 --plot docs/pictures/replay.png
	@if test -x $(HASS); then $(BIN)/python -m tests.home_assistant.picture docs/pictures; \
	  else echo "left out, without Home Assistant (make home-assistant): docs/pictures/home_assistant.png"; fi

bench: $(PEERS)
	$(BIN)/python -m tests.bench $(ARGS)

chaos: $(INSTALLED)
	CHAOS_FAULTS=250 $(BIN)/python -m pytest tests/chaos $(ARGS)
	KILLS=200 $(BIN)/python -m pytest -s tests/system/test_kill.py

simulate: $(INSTALLED)
	$(BIN)/python -m tests.simulation $(ARGS)

brokers: $(INSTALLED)
	$(BIN)/python -m tests.system.brokers $(ARGS)

home-assistant: $(INSTALLED) $(HASS)
	$(BIN)/python -m pytest tests/home_assistant $(ARGS)

# What its manifests pin: without the network it installs nothing by itself.
$(HASS):
	@test -n "$(HASS_PYTHON)" || { echo "Home Assistant needs Python 3.13: make home-assistant HASS_PYTHON=..." >&2; exit 1; }
	@echo "Installing Home Assistant ..."
	@$(HASS_PYTHON) -m venv build/home-assistant
	@build/home-assistant/bin/pip install --quiet homeassistant==2025.1.4
	@build/home-assistant/bin/pip install --quiet \
	  paho-mqtt==1.6.1 home-assistant-frontend==20250109.2 numpy==2.2.1

soak: $(INSTALLED)
	SOAK_MESSAGES=20000000 $(BIN)/python -m pytest -s tests/soak $(ARGS)

scale: $(SPARK)
	$(BIN)/python -m pytest -s tests/spark $(ARGS)

fuzz: $(INSTALLED)
	$(BIN)/pip install --quiet -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

# What running the demo needs, and nothing else; then what developing needs, too. Each installs ewad from here.
# npm fetches while pip installs; where it can't, all works but the page's charts, which then say so.
$(RUNNING): pyproject.toml requirements.txt requirements-build.txt requirements-demo.txt hatch_build.py fetch_uplot.py $(KERNELS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "ewad needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV): 1 of 3, an environment ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): 2 of 3, what ewad needs ..."
	@$(BIN)/python fetch_uplot.py > /dev/null & page=$$!; \
	  $(BIN)/pip install --quiet --require-hashes -r requirements.txt -r requirements-build.txt -r requirements-demo.txt; \
	  done=$$?; wait $$page; exit $$done
	@echo "Setting up $(VENV): 3 of 3, ewad and its compiled kernels ..."
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(INSTALLED): $(RUNNING) requirements-dev.txt
	@echo "Setting up $(VENV): the development tools ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

$(PEERS): $(INSTALLED) requirements-bench.txt
	@echo "Installing the peers to measure beside ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt -r requirements-bench.txt
	@touch $@

$(SPARK): $(INSTALLED) requirements-scale.txt
	@echo "Installing Spark, 456 MB ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt -r requirements-scale.txt
	@touch $@

$(ADAPTERS)/.installed: $(INSTALLED) requirements-adapters.txt
	@echo "installing river and sktime into $(ADAPTERS): about a minute" >&2
	@$(BIN)/python -m venv $(ADAPTERS)
	@$(ADAPTERS)/bin/pip install --quiet --require-hashes -r requirements-adapters.txt
	@touch $@

$(RELEASE): $(INSTALLED) requirements-release.txt
	@echo "Installing what builds the documentation and checks what is shipped ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt -r requirements-release.txt
	@touch $@
