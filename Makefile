# `make demo` and `make test` need Python 3.11, gcc and make, nothing else.
PYTHON ?= python3.11
TORCH ?= 2.13.0
FORKS_TORCH ?= 2.14.1
WORKERS ?= 2

# An environment below .venv, once. CPU=1: PyTorch without CUDA's libraries,
# 0.2 GB in place of over 2.5; TORCH_INDEX=URL: from that index.
define set_up
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found: install Python 3.11, or run make PYTHON=/path/to/python3.11 $@"; exit 1; }
	@$(PYTHON) tools/dev/environment.py $(1) $(if $(CPU),--cpu)
endef

.PHONY: demo demo-restoration docs evidence test test-long test-torch test-frameworks test-forks test-python trust fuzz coverage bench gpu lint clean

# Keeps the trainings that are finished: make demo FRESH=1 trains them anew.
demo:
	$(call set_up,demo)
	@.venv/demo/bin/python tools/experiments/demo.py --out-dir work_dirs/demo $(if $(FRESH),--fresh)

# Denoising and super-resolution of photographs: about 15 minutes on 2 quiet
# cores; make demo-restoration SEEDS=3 repeats every training, FRESH=1 does
# not keep those that are finished.
demo-restoration:
	$(call set_up,full)
	@.venv/full/bin/python tools/experiments/demo_restoration.py --out-dir work_dirs/demo-restoration --seeds $(or $(SEEDS),1) $(if $(FRESH),--fresh)

# ACDA beside its twins on real data, in the background for hours; an
# interrupted call goes on where it ended, and every finished training leaves a
# record: make evidence EXPERIMENT=cifar SEEDS=3 BUDGET=0.5 THREADS=1
evidence:
	$(call set_up,full)
	@$(if $(THREADS),OMP_NUM_THREADS=$(THREADS)) .venv/full/bin/python -m tools.experiments.evidence $(if $(EXPERIMENT),--experiment $(EXPERIMENT)) --seeds $(or $(SEEDS),3) --budget $(or $(BUDGET),1) $(if $(THREADS),--threads $(THREADS)) $(EVIDENCE_ARGS)

# The site, into work_dirs/docs/index.html; a warning is an error, and one again
# until it is mended. Half a minute on one core.
docs:
	$(call set_up,docs)
	@.venv/docs/bin/python -W ignore -m sphinx -q -W --keep-going -j auto -d work_dirs/docs.cache docs work_dirs/docs || { rm -rf work_dirs/docs.cache; exit 1; }
	@echo "the site: work_dirs/docs/index.html"

# Two processes of one thread each: make test WORKERS=8 on a larger machine. A
# test that hangs for ten minutes fails, says where it was, and ends the run.
test:
	$(call set_up,full)
	@OMP_NUM_THREADS=1 .venv/full/bin/python -m pytest -n $(WORKERS) --dist loadfile -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true --max-worker-restart 0 $(PYTEST_ARGS)

# What takes minutes: long trainings, compilations, exports.
test-long:
	$(call set_up,full)
	@MMACDA_FIGURES=$(CURDIR)/work_dirs/trust/figures .venv/full/bin/python -m pytest -m long $(PYTEST_ARGS)

# One table of what users of long trainings and shipped models rely on:
# make trust TRUST_ARGS=--long measures all of it anew.
trust:
	$(call set_up,full)
	@.venv/full/bin/python -W ignore tools/trust.py $(TRUST_ARGS)

# The operator and the layer with another PyTorch: make test-torch TORCH=2.1.2
test-torch:
	$(call set_up,torch --torch $(TORCH))
	@.venv/torch-$(TORCH)/bin/python -m pytest tests/ops tests/layers $(PYTEST_ARGS)

# Every framework by its own tools, then the table of all tries; about 20
# minutes on 2 quiet cores. make test-frameworks FRAMEWORKS="mmdet mmseg" runs
# these again and keeps the others' rows.
test-frameworks:
	$(call set_up,frameworks)
	@OMP_NUM_THREADS=1 .venv/frameworks/bin/python tools/dev/try_frameworks.py --out docs/frameworks.md $(if $(FRAMEWORKS),--only $(FRAMEWORKS)) -- $(PYTEST_ARGS)

# OpenMMLab's maintained continuation (onedl-mmengine, onedl-mmcv,
# onedl-mmpretrain) on current PyTorch: make test-forks FORKS_TORCH=2.15.0
test-forks:
	$(call set_up,forks --torch $(FORKS_TORCH))
	@OMP_NUM_THREADS=1 .venv/forks-$(FORKS_TORCH)/bin/python -m pytest -n $(WORKERS) --dist loadfile tests/ops tests/layers tests/models/test_ad_resnet.py tests/models/test_ad_resnet_dilation.py tests/models/test_with_replaced_convs.py tests/models/test_pretrained.py $(PYTEST_ARGS)
	@OMP_NUM_THREADS=1 .venv/forks-$(FORKS_TORCH)/bin/python -m pytest -m "long or not long" tests/frameworks/test_mmpretrain.py tests/frameworks/test_readme.py -k "not runs_readme_s_lines or onedl" $(PYTEST_ARGS)

# The operator and the layer with any Python and the newest of everything:
# make test-python PYTHON=python3.13
test-python:
	$(call set_up,python)
	@.venv/python-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')/bin/python -m pytest tests/ops tests/layers $(PYTEST_ARGS)

# The operator beside its goals, then the paper's Table 7: about 10 minutes
# on 2 quiet cores. make bench BENCH_ARGS="--rounds 21 --sections speed"
bench:
	$(call set_up,full)
	@.venv/full/bin/python -W ignore tools/benchmarks/operator.py --models $(BENCH_ARGS)
	@.venv/full/bin/python -W ignore tools/benchmarks/table7.py

# The Triton backends on a GPU: right, how fast, beside their goals; at most
# ten minutes. make gpu GPU_ARGS="--minutes 5"; GPU_ARGS=--rehearse CPU=1 tries
# all steps without a GPU.
gpu:
	$(call set_up,full)
	@.venv/full/bin/python -W ignore -m tools.gpu $(GPU_ARGS)

# Random calls of the public API: make fuzz CASES=50000
fuzz:
	$(call set_up,full)
	@MMACDA_FUZZ_CASES=$(or $(CASES),20000) .venv/full/bin/python -m pytest tests/fuzz $(PYTEST_ARGS)

# Lines of mmacda that the tests run, subprocesses included; fails below 90%.
coverage:
	$(call set_up,full)
	@mkdir -p work_dirs/coverage && rm -f work_dirs/coverage/*
	@OMP_NUM_THREADS=1 .venv/full/bin/python -m coverage run -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)
	@.venv/full/bin/python -m coverage combine --quiet
	@.venv/full/bin/python -m coverage json --quiet --fail-under 0 -o work_dirs/coverage/report.json
	@MMACDA_FIGURES=$(CURDIR)/work_dirs/trust/figures .venv/full/bin/python -m pytest -m long tests/trust/test_coverage.py
	@.venv/full/bin/python -m coverage report

# ruff, as before each commit, and mypy.
lint:
	@pre-commit run --all-files
	@.venv/full/bin/python -m mypy

# Removes environments and all that was trained.
clean:
	rm -rf .venv work_dirs .pytest_cache .hypothesis
