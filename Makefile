# Every target is a line or two over the tools underneath. `make lab` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11
# Threads that wait for each other soon sleep: endless spinning, the default, makes torch up to fifty times slower on a
# machine that also does other things, a laptop with a browser open say; no spinning at all makes small steps slow.
export GOMP_SPINCOUNT ?= 2000
.DEFAULT_GOAL := lab
.PHONY: setup lab course site test test-long audit check bench notebooks lock

setup: .venv/.ready  ## the exact environment of requirements.lock, in .venv

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "labkit needs Python 3.11, 3.12 or 3.13, this is %d.%d: make setup PYTHON=python3.12" % sys.version_info[:2])'
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; }
	VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/jupyter labextension disable --log-level=ERROR --level=sys_prefix @jupyterlab/apputils-extension:announcements  # asks the network for news
	$(BIN)/python -m ipykernel install --sys-prefix --env GOMP_SPINCOUNT 2000 >/dev/null
	touch $@

.venv-peers/.ready: benchmarks/requirements.lock | .venv/.ready
	$(PYTHON) -m venv .venv-peers
	VIRTUAL_ENV="$$PWD/.venv-peers" $(BIN)/uv pip sync --quiet --require-hashes benchmarks/requirements.lock
	touch $@

lab: setup  ## open JupyterLab on the first notebook, or on another: make lab LESSON=02
	$(BIN)/labkit lab $(LESSON)

course: setup  ## run every notebook, export to build/course/*.html, build the site
	$(BIN)/labkit course
	$(BIN)/python docs/print_lessons.py
	$(BIN)/python docs/build_site.py

site: setup  ## build the site, build/site/index.html, from what `make course` has run
	$(BIN)/python docs/build_site.py

test: setup  ## the tests, two at a time, a thread each: more threads than cores would wait for each other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope

test-long: setup  ## notebooks on real clips; rows in the profile paper, a step of each training, on networks of the papers' sizes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope -m long

audit: setup  ## every page of build/site in a browser: links, errors, other hosts, accessibility
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m site tests/site

check: setup  ## style, types, import directions
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

bench: setup .venv-peers/.ready  ## speed and accuracy beside our peers, as ratios
	$(BIN)/python -m pytest benchmarks

notebooks: setup  ## rewrite each .ipynb from its .py (discards outputs, no cells)
	$(BIN)/labkit notebooks

lock:  ## recompile requirements.lock and benchmarks/requirements.lock
	$(BIN)/uv pip compile $(COMPILE) pyproject.toml --group dev --group docs --output-file requirements.lock
	$(BIN)/uv pip compile $(COMPILE) benchmarks/requirements.in --override benchmarks/overrides.txt --output-file benchmarks/requirements.lock
