# make demo   the whole pipeline on the demo cohort, from DICOM to Table 1 and the report;
#             make demo CONFIG=mine.yaml runs it with the settings of that file
# make studies   every system's study at demo size, and one report of all of them
# make report   the report alone, of the results that are there; takes CONFIG too
# make test   style, workflow lint, tests with coverage
# make test-slow   whole runs on archives of other layouts, a run killed in training, the cache between copies, and a disk
#             that is full in the middle of each stage: 25 minutes
# make test-slurm   tests on a SLURM of two nodes that they start on this machine: 30 minutes
PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# Programs are started with `python -m`: the scripts that pip writes fail in a folder whose name has a blank and a dollar sign.
BIN := .venv/bin
SETTINGS := $(if $(CONFIG),--configfile $(CONFIG))
DATASET = $(shell PYTHONPATH=workflow $(BIN)/python -m explainct.config $(CONFIG))

.PHONY: demo studies report test test-slow test-slurm format settings layers clean

demo: .venv/installed
	$(BIN)/python -m snakemake --cores $(CORES) $(SETTINGS)
	@$(MAKE) --no-print-directory report

studies: .venv/installed
	$(BIN)/python -m snakemake --cores $(CORES) --configfile config/studies.yaml -- studies
	$(BIN)/python -m snakemake --report results/demo_studies/report.html --report-stylesheet workflow/report/report.css --configfile config/studies.yaml -- studies

report: .venv/installed
	$(BIN)/python -m snakemake --report results/$(DATASET)/report.html --report-stylesheet workflow/report/report.css $(SETTINGS)

test: .venv/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(BIN)/python -m codespell_lib
	$(BIN)/python -m snakemake --lint
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder tests/workflow tests/library tests/browser --durations=15 \
		--cov --cov-report=term --cov-fail-under=90

test-slow: .venv/installed
	$(BIN)/python -m pytest tests/workflow -m slow --durations=5 -rs

# In one process: each more would start a cluster of its own.
test-slurm: .venv/installed
	$(BIN)/python -m pytest tests/slurm --durations=10 -rs

format: .venv/installed
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m snakefmt Snakefile workflow

# Writes config/ and the JSON schema anew from workflow/explainct/config.
settings: .venv/installed
	PYTHONPATH=workflow $(BIN)/python -m explainct.config.generate

# Draws docs/layers.svg from the imports of the library.
layers:
	$(PYTHON) docs/layers.py

# Removes results, never the environment nor what was downloaded to resources/.
clean:
	rm -rf results/* .snakemake

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev
	touch .venv/installed
