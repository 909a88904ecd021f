# `make demo` and `make test` need Python 3.11, gcc and make, nothing else.
PYTHON ?= python3.11
TORCH ?= 2.13.0
ENVIRONMENT = $(PYTHON) tools/dev/environment.py

.PHONY: demo demo-restoration test test-torch bench lint clean

demo:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found: install Python 3.11, or run make PYTHON=/path/to/python3.11 $@"; exit 1; }
	@$(ENVIRONMENT) demo
	@.venv/demo/bin/python -W ignore tools/demo.py --out work_dirs/demo

# Denoising and super-resolution of photographs: about 15 minutes on 2 quiet
# cores; make demo-restoration SEEDS=3 repeats every training.
demo-restoration:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found: install Python 3.11, or run make PYTHON=/path/to/python3.11 $@"; exit 1; }
	@$(ENVIRONMENT) full
	@.venv/full/bin/python -W ignore tools/demo_restoration.py --out work_dirs/demo-restoration --seeds $(or $(SEEDS),1)

test:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found: install Python 3.11, or run make PYTHON=/path/to/python3.11 $@"; exit 1; }
	@$(ENVIRONMENT) full
	@.venv/full/bin/python -m pytest $(PYTEST_ARGS)

# The operator and the layer with another PyTorch: make test-torch TORCH=2.1.2
test-torch:
	@$(ENVIRONMENT) torch --torch $(TORCH)
	@.venv/torch-$(TORCH)/bin/python -m pytest tests/ops tests/layers $(PYTEST_ARGS)

# The operator beside its goals, then the paper's Table 7: about 10 minutes
# on 2 quiet cores. make bench BENCH_ARGS="--rounds 21 --sections speed"
bench:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found: install Python 3.11, or run make PYTHON=/path/to/python3.11 $@"; exit 1; }
	@$(ENVIRONMENT) full
	@.venv/full/bin/python -W ignore tools/benchmarks/operator.py --models $(BENCH_ARGS)
	@.venv/full/bin/python -W ignore tools/benchmarks/table7.py

lint:
	@pre-commit run --all-files

clean:
	rm -rf .venv work_dirs .pytest_cache .hypothesis
