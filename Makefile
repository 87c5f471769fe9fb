# make run     install what is needed, then serve http://localhost:8080 (ARGS="--port 8081")
# make test    install what the tests need, then run them all (ARGS="tests/server -k config")
# make check   ruff, mypy --strict, import-linter
# make bench   time each turn over WebRTC, then hold conversations (ARGS="--quick")
# make clean   remove the virtual environment and every cache; models stay
#
# PYTHON=python3.12 chooses the interpreter, CUDA=1 builds llama.cpp for an NVIDIA GPU.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CUDA ?= $(if $(and $(shell command -v nvcc),$(shell command -v nvidia-smi)),1,0)
ARGS ?=

# llama.cpp is compiled: on all cores, without the multimodal part, for this processor.
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)
export CMAKE_ARGS ?= -DGGML_NATIVE=ON -DLLAVA_BUILD=OFF $(if $(filter 1,$(CUDA)),-DGGML_CUDA=ON)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Packages are compiled as they are installed, also where Python is told to leave no bytecode.
unexport PYTHONDONTWRITEBYTECODE

# A stamp per content of the requirements: the second start installs nothing.
hash = $(shell (cat $(1); $(PYTHON) --version; echo $(CURDIR) $(CUDA)) 2>&1 | cksum | tr -d ' ')
RUN_STAMP := $(VENV)/.run-$(call hash,requirements.txt $(if $(filter 1,$(CUDA)),requirements-cuda.txt))
DEV_STAMP := $(VENV)/.dev-$(call hash,requirements.txt requirements-dev.txt)

.PHONY: run test check bench clean install install-dev browser stores neighbours javascript
.DELETE_ON_ERROR:

run: install
	@exec $(BIN)/python run.py serve $(ARGS)

test: install-dev browser stores neighbours javascript
	@$(BIN)/python -m pytest $(ARGS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install-dev
	@$(BIN)/python -m bench.turns
	@$(BIN)/python -m bench.conversation $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
	rm -rf tests/javascript/node_modules examples/node/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

install: $(RUN_STAMP)
install-dev: $(DEV_STAMP)

# What is missing skips the tests that need it, and nothing else.
javascript:
	@command -v npm >/dev/null || scripts/packages nodejs npm \
	    || echo "No npm: JavaScript's clients will not be tested."

browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || scripts/packages chromium \
	    || echo "No browser: the page's tests will be skipped."

# Without them the shared cache's tests are skipped.
stores:
	@command -v redis-server >/dev/null && command -v memcached >/dev/null || \
	    scripts/packages redis-server memcached || \
	    echo "No Redis or Memcached: the shared cache's tests will be skipped."

# Without the programs that stand beside a server on the Internet, and those that read what it
# writes: their tests are skipped, too.
neighbours:
	@command -v turnserver >/dev/null || scripts/packages coturn \
	    || echo "No coturn: the tests of TURN will be skipped."
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || scripts/packages nginx-light \
	    || echo "No nginx: the reverse proxy's test will be skipped."
	@command -v caddy >/dev/null || scripts/packages caddy \
	    || echo "No Caddy: its example will not be checked."
	@command -v zbarimg >/dev/null && command -v flatc >/dev/null || \
	    scripts/packages zbar-tools flatbuffers-compiler || \
	    echo "No zbarimg or flatc: QR codes and frames will not be read by others' programs."

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/packages python3-venv || \
	    { echo "$(PYTHON) cannot make virtual environments: it lacks venv or ensurepip." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@$(BIN)/python -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("opus"))' \
	    || scripts/packages libopus0
	@command -v c++ >/dev/null || scripts/packages g++
	@echo "Installing Python packages (llama.cpp is compiled the first time: some minutes)"
	@$(BIN)/python -m pip install -q -r requirements.txt
	@# pip's cache does not know with which flags a wheel was built.
	@[ "$(CUDA)" != 1 ] || $(BIN)/python -m pip install -q --no-cache-dir --force-reinstall --no-deps \
	    "$$(grep -o '^llama-cpp-python[^ ]*' requirements.txt)"
	@# Whisper computes with cuBLAS 12; a toolkit of CUDA 13 brings 13 alone.
	@[ "$(CUDA)" != 1 ] || $(BIN)/python -m agent.engines.cublas \
	    || $(BIN)/python -m pip install -q -r requirements-cuda.txt \
	    || echo "No cuBLAS 12: Whisper will run on the CPU."
	@rm -f $(VENV)/.run-* && touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@$(BIN)/python -m pip install -q -r requirements-dev.txt
	@rm -f $(VENV)/.dev-* && touch $@
