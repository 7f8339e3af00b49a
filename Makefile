# The front door. `make help` lists the targets and the variables.
PYTHON ?= python3
VENV := .venv
PITOME := $(VENV)/bin/pitome
READY := $(VENV)/.ready
PIP_FLAGS ?=

MODEL ?= clip-b16
OUT_FOLDER := $(if $(OUT),$(OUT),build)
# Where `make engine` put the bundle: a hub id's slash becomes two dashes, its revision is left out, and random weights get a suffix.
NAME := $(if $(wildcard $(MODEL)/config.json),$(notdir $(abspath $(MODEL))),$(if $(filter %.preset.toml,$(MODEL)),$(patsubst %.preset.toml,%,$(notdir $(MODEL))),$(subst /,--,$(firstword $(subst @, ,$(MODEL))))))
BUNDLE ?= $(firstword $(wildcard $(OUT_FOLDER)/$(NAME) $(OUT_FOLDER)/$(NAME)-random) $(OUT_FOLDER)/$(NAME))

# option NAME,--flag: the flag with its value where the variable was set.
option = $(if $($(1)),$(2) "$($(1))")
MERGE_OPTIONS = $(call option,RATIO,--ratio) $(call option,R,--r) $(call option,FLOPS,--flops) \
  $(call option,LAYERS,--layers) $(call option,METHOD,--method) $(call option,METRIC,--metric) \
  $(call option,PROTECT,--protect) $(call option,CANDIDATES,--candidates) \
  $(call option,SIZE_PENALTY,--size-penalty) $(call option,PROP_ATTN,--prop-attn) \
  $(call option,MARGIN,--margin) $(call option,ENERGY,--energy) $(call option,SPLIT,--split) \
  $(call option,SHAPE,--shape) $(call option,PRECISION,--precision) $(MODEL_OPTIONS) \
  $(call option,OUT,--out) $(call option,STRICT,--strict)
MODEL_OPTIONS = $(call option,IMAGE_SIZE,--image-size) $(call option,SEQUENCE_LENGTH,--sequence-length) \
  $(call option,WEIGHTS,--weights)
# Further options of `pitome engine`, for instance ENGINE_FLAGS="--batch 1 --batch 32", and of the other commands.
ENGINE_FLAGS ?=
VALIDATE_FLAGS ?=
BENCH_FLAGS ?=
SWEEP_FLAGS ?=
SWEEP_OPTIONS = $(MODEL_OPTIONS) $(call option,TASK,--task) $(call option,GRID,--grid) $(call option,LIMIT,--limit)
PLAN_OPTIONS = $(call option,BACKEND,--backend) $(call option,TARGETS,--targets) $(call option,PROFILE,--profile) \
  $(call option,MERGE_PATH,--merge-path) $(call option,PLUGIN,--plugin) $(call option,EMBED_PLUGIN,--embed-plugin)

.PHONY: help setup engine dry-run models validate sweep tune bench inspect fidelity plugin plugin-host plugin-account test test-gpu lint format clean

help: ## Show this help
	@echo "make TARGET [VARIABLE=value ...]"; echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s  %s\n", $$1, $$2}'
	@echo; echo "Variables of engine and dry-run (defaults in brackets):"
	@sed -n 's/^#: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-12s  %s\n", $$1, $$2}'
	@echo; echo "Variables of plugin and plugin-host, also from the environment:"
	@sed -n 's/^#plugin: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-13s  %s\n", $$1, $$2}'

#:   MODEL|preset, Hugging Face id or local folder [clip-b16]
#:   RATIO|keep ratio per layer, in (0, 1] [0.9]
#:   R|tokens merged per layer: a number, or a list with one per layer
#:   FLOPS|wanted fraction of the FLOPs, in place of RATIO and R
#:   LAYERS|merge only in these layers, counted from 0
#:   METHOD|pitome, paper, authors, tome, random or none [pitome]
#:   METRIC|measure similarity on hidden or keys [the method's: hidden]
#:   PROTECT|fraction of the tokens with the lowest energy that never merge [0.1]
#:   CANDIDATES|tokens that may merge, in place of PROTECT: all, paper or a number
#:   SIZE_PENALTY|how much large tokens resist merging [0.05]
#:   PROP_ATTN|proportional attention, 1 or 0 [1]
#:   MARGIN|similarity from which energy counts in full: start,slope over the layers [0.9,0.9]
#:   ENERGY|elu or gaussian [elu]
#:   SPLIT|alternate or half: how candidates become sources and targets [alternate]
#:   SHAPE|how FLOPS is spread over the layers: ratio, constant, decreasing or increasing [ratio]
#:   PRECISION|of the plan: fp16, fp32 or bf16; the fp32 ONNX is always there [fp16]
#:   BACKEND|tensorrt_rtx or tensorrt [tensorrt_rtx]
#:   TARGETS|GPU architectures of the plan [sm80,sm86,sm89,sm120]
#:   PROFILE|smallest, typical and largest batch of the plan [1,8,32]
#:   MERGE_PATH|what computes the merges of the plan: plugin (tensorrt only) or function [tensorrt: plugin]
#:   PLUGIN|the library of MERGE_PATH=plugin [build/plugin/libpitome_plugin.so]
#:   EMBED_PLUGIN|1: put the library into the plan too [0]
#:   IMAGE_SIZE|pixels of the square input [the model's own]
#:   SEQUENCE_LENGTH|tokens of every text [128]
#:   WEIGHTS|hub id, folder, packaged or random [the model's own]
#:   OUT|folder for bundles [build]
#:   STRICT|1: an unreachable hub is an error instead of random weights [0]
#:   TASK|what sweep and tune judge, such as r8 or imagefolder:FOLDER [all that fit the model]
#:   GRID|how much sweep and tune try: quick or full [quick]
#:   LIMIT|at most so many samples of each task [all]
#:   MAX_DROP|points of the metric that tune may lose [0.5]

setup: $(READY) ## Create .venv and install the pinned dependencies

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pitome needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint requirements.lock --editable '.[test]'
	touch $(READY)

engine: $(READY) ## Compress, export, build, check and measure MODEL; leaves a bundle
	@$(PITOME) engine "$(MODEL)" $(MERGE_OPTIONS) $(PLAN_OPTIONS) $(ENGINE_FLAGS)

dry-run: $(READY) ## Show tokens and FLOPs per layer, and build nothing
	@$(PITOME) engine "$(MODEL)" $(MERGE_OPTIONS) $(PLAN_OPTIONS) --dry-run

models: $(READY) ## List the presets
	@$(PITOME) models

validate: $(READY) ## Check the bundle of MODEL (or BUNDLE=folder): decisions, arithmetic, accuracy; a verdict
	@$(PITOME) validate "$(BUNDLE)" $(VALIDATE_FLAGS)

sweep: $(READY) ## Judge many settings of MODEL on real data; JSON lines, a table and Pareto charts
	@$(PITOME) sweep "$(MODEL)" $(SWEEP_OPTIONS) $(SWEEP_FLAGS)

tune: $(READY) ## Pick the fastest setting of MODEL within MAX_DROP; leaves a preset file for `make engine`
	@$(PITOME) tune "$(MODEL)" $(SWEEP_OPTIONS) $(call option,MAX_DROP,--max-drop) $(call option,OUT,--out) $(SWEEP_FLAGS)

bench: $(READY) ## Measure the bundle of MODEL (or BUNDLE=folder) against the unmerged model
	@$(PITOME) bench "$(BUNDLE)" $(BENCH_FLAGS)

inspect: $(READY) ## Verify the bundle of MODEL (or BUNDLE=folder) and show what is in it
	@$(PITOME) inspect "$(BUNDLE)"

fidelity: $(READY) ## Compare merged with unmerged features on real photos, for all methods
	@$(PITOME) fidelity "$(MODEL)"

#plugin: CUDA_HOME|folder of the CUDA toolkit [looked for, else downloaded from PyPI]
#plugin: PITOME_CUDA|wheels: the toolkit from PyPI, whatever is installed
#plugin: TENSORRT_ROOT|folder of TensorRT, for its headers [looked for, else downloaded from PyPI]

# call build,options of the toolchain,targets: it configures every time, which is quick where nothing has changed.
PLUGIN_BUILD := build/plugin
build = @cmake=$$($(VENV)/bin/python -m pitome.plugins.tools.toolchain $(1) $(PLUGIN_BUILD)/toolchain.cmake) \
  && "$$cmake" -C $(PLUGIN_BUILD)/toolchain.cmake -S plugins -B $(PLUGIN_BUILD)/cmake >/dev/null \
  && env -u MAKEFLAGS -u MAKELEVEL "$$cmake" --build $(PLUGIN_BUILD)/cmake --parallel $$(nproc) --target $(2)

plugin: $(READY) ## Build the TensorRT plugin for GPUs and for the CPU, in build/plugin
	$(call build,,pitome_plugin pitome_plugin_host)

plugin-host: $(READY) ## Build what the plugin's tests need: for the CPU, with sanitizers too; needs no nvcc
	$(call build,--no-compiler,host host_sanitized)

plugin-account: $(READY) ## Count what a merge's kernels ask for, and predict their time on GPUs
	@$(VENV)/bin/python -m pitome.plugins.tools.account

# Two processes of tests: PyTorch with two threads in each would have four for two cores, which wait by spinning.
test: $(READY) lint plugin plugin-host ## Lint, check types, build the plugin and run the tests
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m "not gpu" -n 2 --dist loadfile $(PYTEST_FLAGS)

test-gpu: $(READY) plugin ## Run what needs an NVIDIA GPU; leaves build/gpu-report.md
	$(VENV)/bin/python -m pytest -m gpu $(PYTEST_FLAGS)

CXX_FILES = $(shell find plugins tests/plugins -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
CLANG_FORMAT := $(VENV)/bin/clang-format --style=file:plugins/.clang-format

lint: $(READY) ## ruff, mypy and clang-format
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy
	@$(CLANG_FORMAT) --dry-run -Werror $(CXX_FILES)

format: $(READY) ## Format, and fix what ruff can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	@$(CLANG_FORMAT) -i $(CXX_FILES)

clean: ## Remove build/ and caches; .venv stays
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
