# Shorthands; bin/run and bin/test do the work.

.PHONY: run test format

run:
	bin/run

test:
	bin/test

format: .venv
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv:
	bin/test format
