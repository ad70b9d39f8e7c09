# Every target makes the virtual environment first when it is missing. Try `make demo`.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
READY := $(VENV)/ready
RUNTIME := $(VENV)/ready-runtime
CI := $(VENV)/ready-ci
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults simulations browser screenshots studies compose extras unit pythons lint bench loadtest pictures lock

help: ## Show what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: $(READY) ## Make the virtual environment .venv with the pinned requirements, those of the tests too, and the project

demo: $(RUNTIME) ## Watch the whole loop run; ARGS="--once --days 3" is handed on
	@$(BIN)/artwork demo $(ARGS)

SHORT := not faults and not simulations and not browser

# Two processes whose numerical libraries have a thread a core each wait for one another: it costs twice the time.
# Tests of what holds for any number of threads ask for several.
test unit faults simulations: export OPENBLAS_NUM_THREADS = 1
test unit faults simulations: export OMP_NUM_THREADS = 1

# Tests are compiled once, not by each process that collects them.
test unit faults simulations: export PYTHONDONTWRITEBYTECODE =

# Files of tests that kill nothing need no disk: each is synced, which there takes no time. Some 2 GB are left behind.
IN_MEMORY := $(shell [ "$$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -1)" -ge 8 ] 2>/dev/null && echo /dev/shm)
ifneq ($(IN_MEMORY),)
test: export TMPDIR = $(IN_MEMORY)
endif

# What times what it sees has the machine for itself at the end; all else shares three processes, for some wait, file by file, longest first.
test: $(READY) ## Run every test but the long ones of make faults and make simulations; ARGS="-k deciding" is handed on
	@$(BIN)/python -m bandit.kernels.warm & warming=$$!; status=0; \
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -q -p no:cacheprovider -m "not compiled" tests/unit/test_kernels_*.py || status=$$?; \
	wait $$warming || status=$$?; exit $$status
ifeq ($(ARGS),)
	$(BIN)/pytest -m "$(SHORT) and not exclusive" -n 3 --dist loadfile --no-loadscope-reorder -o tmp_path_retention_count=1 \
		tests/e2e tests/integration tests/unit bandit batch
	$(BIN)/pytest -m "$(SHORT) and exclusive" $(call marked,exclusive)
	@echo "skipped: the tests in tests/browser, which need Playwright and Chromium; make browser runs them"
else
	$(BIN)/pytest -m "$(SHORT)" $(ARGS)
endif

# Only the files that have such tests are read.
marked = $(if $(findstring tests/,$(ARGS)),,$(sort $(shell grep -rl --include='test_*.py' 'mark\.$(1)\b' tests)))

faults: $(if $(ARTWORK_REQUIRE_ALL),$(CI),$(READY)) ## Break the store and load services for real and for long; ARGS="-k frozen" is handed on
	$(BIN)/python -m bandit.kernels.warm
ifeq ($(ARGS),)
	$(BIN)/pytest -m "faults and not exclusive" -n 2 --dist loadfile --no-loadscope-reorder $(call marked,faults)
	$(BIN)/pytest -m "faults and exclusive" $(call marked,exclusive)
else
	$(BIN)/pytest -m faults $(call marked,faults) $(ARGS)
endif

browser: $(CI) ## Click through the page in a real browser (Debian's chromium, or .venv/bin/playwright install chromium)
	$(BIN)/python -m bandit.kernels.warm
	$(BIN)/pytest -m browser tests/browser $(ARGS)

simulations: $(READY) ## Try how often intervals hold the truth, and how often an answer that nothing warns of is wrong
	$(BIN)/python -m bandit.kernels.warm
	$(BIN)/pytest -m simulations -n 2 --dist worksteal $(call marked,simulations) $(ARGS)

KILLS ?=

studies: $(READY) ## Try intervals and answers on 4,000 simulated logs of every kind and world, 500 served days, alarms on 3,000 seasons, experiments and changes without an effect, gates, new users and artworks, objectives, shifts of taste, simulations at full size, and kill everything 100 times; not in CI
	$(BIN)/python -m bandit.kernels.warm
	$(BIN)/artwork bench evaluation --replicates 4000 $(ARGS)
	$(BIN)/python tests/benchmarks/alarms.py
	$(BIN)/python tests/benchmarks/same_twice.py
	$(BIN)/python tests/benchmarks/assumptions.py
	$(BIN)/python tests/benchmarks/gated.py
	$(BIN)/python tests/benchmarks/interleaving.py
	$(BIN)/python tests/benchmarks/new_artworks.py
	$(BIN)/python tests/benchmarks/new_users.py
	$(BIN)/python tests/benchmarks/objectives.py --minutes 600
	$(BIN)/python tests/benchmarks/shifts.py
	$(BIN)/python tests/benchmarks/stickiness.py
	SIMULATIONS_FULL=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/pytest -m simulations -n 2 --dist worksteal --timeout=0 $(call marked,simulations)
	$(BIN)/python tests/benchmarks/kills.py $(KILLS)
	FAULTS_STEPS=0 $(BIN)/pytest -m faults --timeout=0 tests/e2e/test_faults_runs.py -k any_step

compose: $(CI) ## Start docker-compose.yml for real: as root, on Debian, in five minutes; ARGS="--folder FOLDER" keeps images
	$(BIN)/python tests/containers/try_compose.py $(ARGS)

extras: $(READY) ## Install the wheel with each extra into an environment of its own, and try what works there
	$(BIN)/python tests/wheel/try_extras.py

PROCESSES := 2

unit: $(READY)
	$(BIN)/python -m bandit.kernels.warm
	$(BIN)/pytest -m "$(SHORT)" -n $(PROCESSES) tests/unit $(LEFT_OUT:%=--ignore-glob='tests/unit/test_%*.py') $(ARGS)

OTHERS := 3.12 3.13

# What is long because it computes, in numpy, polars and compiled code, which are the same whatever interprets the lines between:
# kernels against their slow twins, days against all days at once, and what is counted over many drawn logs. Every kernel is
# compiled all the same, and policies, posteriors and decisions are tried with it.
COMPUTED := kernels_ batch_folds batch_evidence deciding_from_files deciding_calibration evaluation_comparing evaluation_intervals evaluation_trust

pythons: ## Run the unit tests but the longest on Python 3.12 and 3.13, where they are installed, at once and in environments of their own
	@$(MAKE) --no-print-directory --jobs --output-sync $(OTHERS:%=python-%)

python-%:
	@python=$$(for p in python$* "$$HOME"/.pyenv/versions/$*.*/bin/python; do \
		"$$p" -c "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, '$*'.split('.'))))" 2>/dev/null \
		&& echo "$$p" && break; done); \
	if [ -z "$$python" ]; then echo "Python $* is not installed here: left out"; exit 0; fi; \
	$(MAKE) --no-print-directory unit VENV=.venv-$* PYTHON="$$python" PROCESSES=0 LEFT_OUT="$(COMPUTED)"

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(RUNTIME) ## Time the bandit library on this machine; ARGS="--json" is handed on
	@$(BIN)/artwork bench kernels $(ARGS)

loadtest: $(RUNTIME) ## Load the service and judge it against budgets; ARGS="--duration 10s" is handed on
	@$(BIN)/artwork loadtest $(ARGS)

pictures: $(READY) ## Draw the picture of the README from a run of the demo; two minutes
	@mkdir -p build
	$(BIN)/artwork demo --json --workspace build/pictures >build/pictures.json
	$(BIN)/python docs/images/take_rate.py <build/pictures.json >docs/images/take-rate.svg

screenshots: $(CI) ## Take the pictures of the page in docs/images from a demo that runs for it; three minutes
	$(BIN)/python tests/browser/screenshots.py docs/images

lock: $(READY) ## Pin the newest requirements that fit, with hashes and without index addresses (needs uv)
	uv pip compile pyproject.toml -o requirements/runtime.txt --extra all $(LOCK)
	uv pip compile pyproject.toml -o requirements/service.txt --extra service -c requirements/runtime.txt $(LOCK)
	uv pip compile pyproject.toml -o requirements/dev.txt --extra all --extra images --extra dev $(LOCK)
	uv pip compile pyproject.toml -o requirements/bench.txt --extra all --extra bench $(LOCK)
	uv pip compile --group build -o requirements/build.txt -c requirements/runtime.txt $(LOCK)
	uv pip compile --group ci -o requirements/ci.txt -c requirements/dev.txt $(LOCK)

LOCK := --quiet --upgrade --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	-c requirements/constraints.txt

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(RUNTIME): requirements/runtime.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 was found; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/runtime.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(READY): $(RUNTIME) requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(CI): $(READY) requirements/ci.txt
	$(PIP) --require-hashes -r requirements/ci.txt
	@touch $@
