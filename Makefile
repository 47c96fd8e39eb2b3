# The index of what a developer does here. `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Processes that run the tests; each starts servers and a browser of its own.
WORKERS ?= 2
# CPU builds of torch: without them pip brings gigabytes of CUDA. Empty (TORCH_INDEX=) takes what pip's own index has.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

ROOT_DO := $(shell if [ "$$(id -u)" = 0 ]; then echo; elif command -v sudo >/dev/null; then echo sudo; else echo false; fi)
APT_INSTALL = $(ROOT_DO) sh -c 'command -v apt-get >/dev/null && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(1)'

.DEFAULT_GOAL := help
.PHONY: help run install test test-resilience test-container check format bench screenshots restore release browser prometheus mariadb proxies clean

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

run: $(BIN)/.ready  ## start the application at http://localhost:8501 (PORT=… for another port)
	@echo "==> Starting the application at http://localhost:$(PORT) (stop it with Ctrl+C)"
	@$(BIN)/streamlit run app.py --server.port $(PORT)

install: $(BIN)/.ready  ## only install what it needs, into .venv

test: $(BIN)/.ready-dev browser prometheus mariadb proxies  ## run every test: with a real PostgreSQL, MariaDB, browser and Prometheus
	@echo "==> Running the tests"
	@$(BIN)/python -m pytest -n $(WORKERS) --cov

test-resilience: $(BIN)/.ready-dev  ## only the tests that break servers, disks and rules (RESILIENCE_LONG=1: with a real retraining)
	@$(BIN)/python -m pytest tests/resilience --durations=10

test-container: $(BIN)/.ready-dev browser  ## build and start the containers, and test what docs/deployment.md promises (needs Docker)
	@$(BIN)/python -m pytest tests/container -o timeout=1800 -o session_timeout=5400

check: $(BIN)/.ready-dev  ## lint, format, types and spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell

format: $(BIN)/.ready-dev  ## put the code into its format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

BENCHMARKS := predict api stroke sessions start footprint history training "retrain many --rows 10000"

bench: $(BIN)/.ready-dev browser  ## measure the program beside its alternatives (about an hour; leave the machine idle); docs/benchmarks.md gets the figures
	@set -e; for benchmark in $(BENCHMARKS); do \
	  echo "==> benchmarks.$$benchmark"; $(BIN)/python -m benchmarks.$$benchmark; done
	@$(BIN)/python -m benchmarks.results
	@echo "==> Against the last committed ratios"; $(BIN)/python -m benchmarks.compare || true

screenshots: $(BIN)/.ready-dev browser  ## make the README's pictures anew from the real application
	@$(BIN)/python docs/screenshots.py
	@$(BIN)/python docs/animation.py

restore:  ## make docker-compose's database what it was: make restore FILE=../digits-backups/digits-….dump
	@deploy/restore.sh "$(FILE)"

release:  ## make release VERSION=0.3.0: version, CHANGELOG date and image tag, as a commit and a git tag
	@echo "$(VERSION)" | grep -qE '^[0-9]+\.[0-9]+\.[0-9]+$$' || { echo "Say which: make release VERSION=0.3.0"; exit 2; }
	@grep -qx '## \[Unreleased\]' CHANGELOG.md || { echo "CHANGELOG.md has no line '## [Unreleased]': nothing to release."; exit 2; }
	@git diff --quiet HEAD || { echo "Commit your changes first."; exit 2; }
	@sed -i 's/^__version__ = .*/__version__ = "$(VERSION)"/' mnist/__init__.py
	@sed -i 's/^    newTag: .*/    newTag: $(VERSION)/' deploy/kubernetes/kustomization.yaml
	@sed -i "s/^## \[Unreleased\]$$/## [$(VERSION)] - $$(date -u +%F)/" CHANGELOG.md
	@git commit -qam "Version $(VERSION)" && git tag "v$(VERSION)"
	@echo "==> Tagged v$(VERSION). Publish: git push --follow-tags; docker build -t mnist-digits:$(VERSION) ."

clean:  ## remove the virtual environment and every cache (not your data)
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| { echo "==> Installing Chromium for the browser tests"; $(call APT_INSTALL,chromium fonts-dejavu-core); } \
	|| $(BIN)/playwright install --with-deps chromium

prometheus:
	@command -v prometheus >/dev/null && command -v prometheus-alertmanager >/dev/null && command -v curl >/dev/null \
	|| { echo "==> Installing Prometheus, Alertmanager and curl for the tests"; $(call APT_INSTALL,prometheus prometheus-alertmanager curl); } \
	|| { echo "Install Prometheus and curl with your system's package manager, then try again."; exit 1; }

mariadb:  # the server's programs alone: nothing is started
	@PATH="$$PATH:/usr/sbin" && command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v my_print_defaults >/dev/null \
	|| { echo "==> Installing MariaDB for the tests"; $(call APT_INSTALL,mariadb-server-core mariadb-client-core); } \
	|| { echo "Install MariaDB's server with your system's package manager, then try again."; exit 1; }

proxies:
	@PATH="$$PATH:/usr/sbin" && command -v nginx >/dev/null && command -v caddy >/dev/null && command -v openssl >/dev/null \
	|| { echo "==> Installing nginx and Caddy for the tests"; $(call APT_INSTALL,nginx-light caddy openssl); } \
	|| { echo "Install nginx, Caddy and openssl with your system's package manager, then try again."; exit 1; }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	@echo "==> Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	|| { echo "==> Installing python3-venv, which Debian keeps apart"; rm -rf $(VENV); \
	     $(call APT_INSTALL,python3-venv) && $(PYTHON) -m venv $(VENV); } \
	|| { rm -rf $(VENV); echo "No virtual environment could be made. Install your system's venv package (Debian: python3-venv)."; exit 1; }

$(BIN)/.ready: requirements.txt | $(BIN)/python
	@echo "==> Installing the packages of requirements.txt (a few minutes the first time)"
	@if [ -n "$(TORCH_INDEX)" ] && $(BIN)/python -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$(TORCH_INDEX)/torch/" 2>/dev/null; \
	then grep -E '^(torch|torchvision)==' requirements.txt | xargs $(BIN)/pip install -q --index-url "$(TORCH_INDEX)"; \
	else echo "==> The index of CPU builds is not reached; taking torch from pip's own index"; fi
	@$(BIN)/pip install -q -r requirements.txt
	@touch $@

$(BIN)/.ready-dev: requirements-dev.txt requirements-mysql.txt $(BIN)/.ready
	@echo "==> Installing what the tests need"
	@$(BIN)/pip install -q -r requirements-dev.txt
	@touch $@
