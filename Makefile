# The studio's commands. `make` alone lists them.
# PYTHON=python3.12 make run   chooses the interpreter of a new .venv
# PORT=9000 make run           chooses the port

PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help run demo test check audit format messages lock vendor screenshots bench bench-load clean runtime development

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: runtime ## start the studio on this machine
	@exec .venv/bin/python manage.py run

demo: runtime ## build an example environment in the terminal
	@exec .venv/bin/python manage.py demo

check: development ## format, lint, types, arrows, migrations, templates
	@exec .venv/bin/python -m scripts.check

test: development ## all tests, on real parts, one process a core; ARGS="-n0 -k compare" runs some of them in one
	@.venv/bin/python -m tests.services.install
	@exec .venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

audit: development ## known weaknesses of the locked libraries; ends with 2 where no advisory service answers
	@exec .venv/bin/python -m scripts.audit

format: development ## lay out code and templates
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .
	@.venv/bin/djade --target-version 5.2 $$(find templates -name '*.html')

messages: development ## collect the texts of the pages for translators, and compile their translations
	@exec .venv/bin/python -m scripts.messages

lock: development ## write requirements*.txt from requirements*.in
	@for name in requirements requirements-dev; do \
	    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header \
	        --output-file $$name.txt $$name.in || exit 1; \
	done

vendor: development ## copy the pinned npm packages to static/vendor (needs npm)
	@exec .venv/bin/python -m scripts.vendor

screenshots: development ## pictures of every page, both themes and widths, in screenshots/
	@exec .venv/bin/python -m scripts.screenshots

bench: development ## measure what the speed claims rest on
	@exec .venv/bin/python -m bench

bench-load: development ## measure what a studio bears: viewers, bursts, very many environments; ARGS="--quick"
	@exec .venv/bin/python -m bench.load $(ARGS)

clean: ## remove what the tools made; data under var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

runtime:
	@PYTHON='$(PYTHON)' sh scripts/venv.sh requirements.txt

development:
	@PYTHON='$(PYTHON)' sh scripts/venv.sh requirements.txt requirements-dev.txt
