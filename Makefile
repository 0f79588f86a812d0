# The studio's commands. `make` alone lists them.
# PYTHON=python3.12 make run   chooses the interpreter of a new .venv
# PORT=9000 make run           chooses the port
# make run HTTPS=1             serves HTTPS too, with a certificate of its own

PYTHON ?= python3
SECONDS ?= 3600
.DEFAULT_GOAL := help
PYTEST = .venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
# A machine may forbid Python to keep compiled files: every process would compile the studio again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run demo quick test fuzz check audit format messages vendor screenshots recording bench bench-load bench-patch clean runtime development

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: runtime ## start the studio on this machine; HTTPS=1 serves HTTPS too
	@exec .venv/bin/python manage.py run $(if $(filter-out 0 false no off,$(HTTPS)),--https)

demo: runtime ## build an example environment in the terminal
	@exec .venv/bin/python manage.py demo

check: development ## format, lint, types, arrows, migrations, templates
	@exec .venv/bin/python -m scripts.check

quick: development ## the tests that start nothing slow; ARGS="-k compare"
	@.venv/bin/python -m tests.services.install
	@exec $(PYTEST) -m "not slow" $(ARGS)

test: development ## all tests, on real parts; ARGS="-n0 -k compare" runs some of them in one
	@.venv/bin/python -m tests.services.install
	@exec $(PYTEST) $(ARGS)

fuzz: development ## look for definitions (or READER=wheel|conda|layer|documents) that break their readers, for SECONDS=3600
	@exec .venv/bin/python -m $(if $(READER),tests.hostile.fuzzing $(READER),tests.environments.definition.fuzzing) \
	    -max_total_time=$(SECONDS) -max_len=2000

audit: development ## known weaknesses of the locked libraries; ends with 2 where no advisory service answers
	@exec .venv/bin/uv audit --frozen --preview-features audit-command

format: development ## lay out code and templates
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .
	@.venv/bin/djade --target-version 5.2 $$(find templates -name '*.html')

messages: development ## collect the texts of the pages for translators, and compile their translations (needs gettext)
	@.venv/bin/python -m scripts.sentences
	@.venv/bin/python manage.py makemessages --all --no-obsolete --no-wrap --add-location file \
	    --ignore .venv --ignore node_modules --ignore var --ignore tests
	@sed -i.old '/^"POT-Creation-Date:/d' locale/*/LC_MESSAGES/django.po && rm locale/*/LC_MESSAGES/*.old
	@.venv/bin/python manage.py compilemessages --ignore .venv --verbosity 0
	@for po in locale/*/LC_MESSAGES/django.po; do msgfmt --statistics --output-file /dev/null $$po; done

vendor: development ## copy the pinned npm packages to static/vendor (needs npm)
	@exec .venv/bin/python -m scripts.vendor

screenshots: development ## pictures of every page, both themes and widths, in screenshots/
	@exec .venv/bin/python -m scripts.screenshots

recording: development ## record the README's animation: definition, build, pull (as root, for a Docker Engine of its own)
	@exec .venv/bin/python -m scripts.recording

bench: development ## measure what the speed claims rest on
	@exec .venv/bin/python -m bench

bench-patch: development ## measure patch day: exposure, rebase, heal; ARGS="--advisories osv-pypi.zip"
	@exec .venv/bin/python -m bench.patch $(ARGS)

bench-load: development ## measure what a studio bears: viewers, bursts, very many environments; ARGS="--quick"
	@exec .venv/bin/python -m bench.load $(ARGS)

clean: ## remove what the tools made; data under var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

runtime:
	@PYTHON='$(PYTHON)' sh scripts/venv.sh runtime

development:
	@PYTHON='$(PYTHON)' sh scripts/venv.sh development
