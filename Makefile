# The front door. `make help` lists the targets and the variables.
PYTHON ?= python3
VENV := .venv
# Messages name these options as make does, RATIO= instead of --ratio.
PITOME = PITOME_MAKE_VARIABLES="$(call table,engine) $(call table,sweep) $(call table,validate)" $(VENV)/bin/pitome
PIP_FLAGS ?=
# What is installed: `build` for the main job, `validate` for data sets too, `test` for all that this page runs.
BUILD := $(VENV)/.build-ready
VALIDATE := $(VENV)/.validate-ready
TEST := $(VENV)/.test-ready

MODEL ?= clip-b16
OUT_FOLDER := $(if $(OUT),$(OUT),build)
# Some systems have a variable NAME in every environment: only that of the command line counts.
ifeq ($(origin NAME),environment)
NAME :=
endif
# Where `make engine` put the bundle: a hub id's slash becomes two dashes, its revision is left out, and random weights get a suffix.
FOLDER_NAME := $(if $(NAME),$(NAME),$(if $(wildcard $(MODEL)/config.json),$(notdir $(abspath $(MODEL))),$(if $(filter %.preset.toml,$(MODEL)),$(patsubst %.preset.toml,%,$(notdir $(MODEL))),$(subst /,--,$(firstword $(subst @, ,$(MODEL)))))))
BUNDLE ?= $(firstword $(wildcard $(OUT_FOLDER)/$(FOLDER_NAME) $(OUT_FOLDER)/$(FOLDER_NAME)-random) $(OUT_FOLDER)/$(FOLDER_NAME))

# $(call options,NAMES): each of these variables that is set as the option of its name, SIZE_PENALTY=0 as --size-penalty "0".
options = $(foreach name,$(1),$(if $($(name)),--$(shell echo $(name) | tr A-Z_ a-z-) "$($(name))"))
# The variables of a table of this page, which has one line for each.
table = $(shell sed -n 's/^\#$(1): *\([A-Z_]*\)|.*/\1/p' $(firstword $(MAKEFILE_LIST)))
ENGINE_OPTIONS = $(call options,$(filter-out MODEL,$(call table,engine)))
SWEEP_OPTIONS = $(call options,IMAGE_SIZE SEQUENCE_LENGTH WEIGHTS TASK COLUMN GRID LIMIT)
# Some have an environment variable NATIVE too: only that of the command line counts, and empty means none.
ifneq ($(origin NATIVE),command line)
NATIVE := auto
endif
# Further options of the commands, for instance ENGINE_FLAGS="--batch 1 --batch 32".
ENGINE_FLAGS ?=
VALIDATE_FLAGS ?=
BENCH_FLAGS ?=
SWEEP_FLAGS ?=

# One after the other, also with -j: the targets share $(VENV), build/ and the machine.
.NOTPARALLEL:
.PHONY: help setup engine dry-run models validate sweep tune bench inspect plugin plugin-host plugin-sanitized plugin-account \
  native native-sanitized native-cuda native-cuda-host example test test-quick test-full test-gpu test-gpu-kernels mutants lint format clean

help: ## Show this help
	@echo "make TARGET [VARIABLE=value ...]"; echo
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s  %s\n", $$1, $$2}'
	@echo; echo "Variables of engine and dry-run (defaults in brackets):"
	@sed -n 's/^#engine: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-16s  %s\n", $$1, $$2}'
	@echo; echo "Variables of sweep and tune, beside MODEL, IMAGE_SIZE, SEQUENCE_LENGTH and WEIGHTS:"
	@sed -n 's/^#sweep: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-16s  %s\n", $$1, $$2}'
	@echo; echo "Variables of validate, beside BUNDLE or MODEL, TASK, LIMIT and DEVICE:"
	@sed -n 's/^#validate: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-16s  %s\n", $$1, $$2}'
	@echo; echo "Variables of plugin, plugin-host and plugin-sanitized, also from the environment:"
	@sed -n 's/^#plugin: *//p' $(MAKEFILE_LIST) | awk -F '|' '{printf "  %-16s  %s\n", $$1, $$2}'

#engine: MODEL|preset, Hugging Face id or local folder [clip-b16]
#engine: RATIO|keep ratio per layer, in (0, 1] [0.9]
#engine: R|tokens merged per layer: a number, or a list with one per layer
#engine: FLOPS|wanted fraction of the FLOPs, in place of RATIO and R
#engine: LAYERS|merge only in these layers, counted from 0
#engine: METHOD|pitome, paper, authors, authors-2024, tome, random or none [pitome]
#engine: METRIC|measure similarity on hidden or keys [the method's: hidden]
#engine: PROTECT|fraction of the tokens with the lowest energy that never merge [0.1]
#engine: CANDIDATES|tokens that may merge, in place of PROTECT: all, paper or a number
#engine: SIZE_PENALTY|how much large tokens resist merging [0.05]
#engine: PROP_ATTN|proportional attention, 1 or 0 [1]
#engine: MARGIN|similarity from which energy counts in full: start,slope over the layers [0.9,0.9]
#engine: ENERGY|what redundancy is measured by: elu, eq4, sharp or gaussian [the method's: elu]
#engine: SPLIT|how candidates become sources and targets: alternate, alternate_second or half [the method's: alternate]
#engine: SHAPE|how FLOPS is spread over the layers: ratio, constant, decreasing or increasing [ratio]
#engine: PRECISION|of the plan: fp16, fp32 or bf16; the fp32 ONNX is always there [fp16]
#engine: BACKEND|tensorrt_rtx or tensorrt [tensorrt_rtx]
#engine: TARGETS|GPU architectures of the plan [sm80,sm86,sm89,sm120; by the plugin in fp16 sm75 too]
#engine: PROFILE|smallest, typical and largest batch of the plan [1,8,32]
#engine: MERGE_PATH|what computes the merges: function, plugin, or function,plugin for two plans [function; tensorrt: plugin]
#engine: PLUGIN|the library of MERGE_PATH=plugin [build/plugin/libpitome_plugin.so]
#engine: EMBED_PLUGIN|1: put the library into the plan too [0]
#engine: NATIVE|operator library for onnxruntime on the CPU: a file, auto (built if that can be done) or empty for none [auto]
#engine: DEVICE|where onnxruntime checks and measures, such as cuda; of validate and bench too [cpu]
#engine: INPUTS|photos or texts of yours that parity is checked on: images:FOLDER or texts:FILE; of validate too [scikit-image's, or a few sentences]
#engine: COLUMN|where the texts of INPUTS and TASK stand, in a .jsonl, .json, .csv or .tsv; of validate, sweep and tune too [text]
#engine: IMAGE_SIZE|pixels of the square input [the model's own]
#engine: SEQUENCE_LENGTH|tokens of every text [128; of a whole CLIP all its positions, 77]
#engine: TOWER|of a whole CLIP: image for its image graph alone, or both [both]
#engine: WEIGHTS|hub id, folder, packaged or random [the model's own]
#engine: OUT|folder for bundles [build]
#engine: NAME|the bundle's folder in OUT [the model's name]
#engine: STRICT|1: an unreachable hub is an error instead of random weights [0]

#sweep: TASK|what sweep and tune judge, such as r8, imagefolder:FOLDER or, without labels, images:FOLDER [all that fit the model]
#sweep: GRID|how much sweep and tune try: quick or full [quick]
#sweep: LIMIT|at most so many samples of each task [all]
#sweep: MAX_DROP|points of the metric that tune may lose, at 95 % [0.5]
#sweep: ACCEPT_MEAN|1: tune may pick by the mean loss alone [0]

#validate: REQUIRE|parts that fail where they are not judged: accuracy, latency, with commas between
#validate: THRESHOLDS|TOML file of limits [those of docs/thresholds.toml]

#plugin: CUDA_HOME|folder of the CUDA toolkit [looked for, else downloaded from PyPI]
#plugin: PITOME_CUDA|wheels: the toolkit from PyPI, whatever is installed
#plugin: TENSORRT_ROOT|folder of TensorRT, for its headers [looked for, else downloaded from PyPI]
#plugin: HIGHWAY_ROOT|folder of Highway's sources, for native [else a Debian package]
#plugin: ONNXRUNTIME_ROOT|folder of an onnxruntime release, for its headers [else the system's, or a Debian package]

setup: $(BUILD) ## Create .venv and install what the main job needs, pinned

# The second line takes away what an older checkout installed: four packages instead of one.
$(VENV)/.%-ready: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pitome needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	if test -e $(VENV)/.ready; then $(VENV)/bin/python -m pip uninstall --quiet --yes pitome; rm $(VENV)/.ready; fi
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint requirements.lock --editable '.[$*]'
	touch $@

engine: $(BUILD) ## Compress, export, build, check and measure MODEL; leaves a bundle
	@$(PITOME) engine "$(MODEL)" $(ENGINE_OPTIONS) $(ENGINE_FLAGS)

dry-run: $(BUILD) ## Show tokens and FLOPs per layer, and build nothing
	@$(PITOME) engine "$(MODEL)" $(ENGINE_OPTIONS) --dry-run $(ENGINE_FLAGS)

models: $(BUILD) ## List the presets
	@$(PITOME) models

validate: $(VALIDATE) ## Check the bundle of MODEL (or BUNDLE=folder): decisions, arithmetic, accuracy; a verdict
	@$(PITOME) validate "$(BUNDLE)" $(call options,TASK LIMIT COLUMN INPUTS DEVICE REQUIRE THRESHOLDS) $(VALIDATE_FLAGS)

sweep: $(VALIDATE) ## Judge many settings of MODEL on real data; JSON lines, a table and Pareto charts
	@$(PITOME) sweep "$(MODEL)" $(SWEEP_OPTIONS) $(SWEEP_FLAGS)

tune: $(VALIDATE) ## Pick the fastest setting of MODEL within MAX_DROP; leaves a preset file for `make engine`
	@$(PITOME) tune "$(MODEL)" $(SWEEP_OPTIONS) $(call options,MAX_DROP OUT) $(if $(filter 1,$(ACCEPT_MEAN)),--accept-mean) $(SWEEP_FLAGS)

bench: $(BUILD) ## Measure the bundle of MODEL (or BUNDLE=folder) against the unmerged model
	@$(PITOME) bench "$(BUNDLE)" $(call options,DEVICE) $(BENCH_FLAGS)

inspect: $(BUILD) ## Verify the bundle of MODEL (or BUNDLE=folder) and show what is in it
	@$(PITOME) inspect "$(BUNDLE)"

plugin: $(BUILD) ## Build the TensorRT plugin for GPUs and for the CPU, in build/plugin
	@$(PITOME) plugin

plugin-host: $(BUILD) ## Build what the plugin's tests need, for the CPU; needs no nvcc
	@$(PITOME) plugin --host --programs tests/plugins

plugin-sanitized: $(BUILD) ## The same with sanitizers
	@$(PITOME) plugin --host --programs tests/plugins --sanitize

native: $(BUILD) ## Build the operator for onnxruntime on the CPU, in build/native
	@$(PITOME) plugin --native --programs tests/plugins/cpu

native-sanitized: $(BUILD) ## The same with sanitizers
	@$(PITOME) plugin --native --programs tests/plugins/cpu --sanitize

native-cuda: $(BUILD) ## Build the operator for onnxruntime on CPU and CUDA, in build/native-cuda
	@$(PITOME) plugin --native --cuda

native-cuda-host: $(BUILD) ## Its kernels for the CPU, which tests use; needs no nvcc
	@$(PITOME) plugin --native --cuda --host

example: $(BUILD) ## Build the C++ program that runs bundles on a CPU, in build/example
	@$(VENV)/bin/python examples/cpp/build.py

plugin-account: $(BUILD) ## Count what a merge's kernels ask for, and predict their time on GPUs
	@$(PITOME) plugin --account

# Two processes of tests: PyTorch with two threads in each would have four for two cores, which wait by spinning.
PYTEST := OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal --durations=20

test: $(TEST) lint plugin-host native native-cuda-host ## Lint, check types and run the tests, those of the plugin on the CPU
	$(PYTEST) -m "not gpu and not full" $(PYTEST_FLAGS)

test-quick: $(TEST) ## Run the tests that need seconds and nothing built
	$(PYTEST) -m "not gpu and not full and not slow" $(PYTEST_FLAGS)

# Another build of onnxruntime owns the same folder as that of $(VENV): it gets an environment of its own, once.
OPENVINO := build/openvino/.ready
$(OPENVINO): requirements.lock
	$(PYTHON) -m venv build/openvino
	build/openvino/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock onnxruntime-openvino==1.24.1 numpy
	touch $@

# Tools that others run on ONNX files, and the oldest onnxruntime that runs ours: environments of their own, made once.
ONNX_TOOLS := build/onnx-tools/.ready
$(ONNX_TOOLS): requirements.lock
	$(PYTHON) -m venv build/onnx-tools
	build/onnx-tools/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock onnx onnxruntime numpy \
	  onnx-graphsurgeon==0.6.1 polygraphy onnxslim==0.1.98 onnxsim==0.8.1 onnxconverter-common==1.16.0 openvino==2026.4.1
	touch $@

OLD_ONNXRUNTIME := build/onnxruntime-1.17/.ready
$(OLD_ONNXRUNTIME):
	$(PYTHON) -m venv build/onnxruntime-1.17
	build/onnxruntime-1.17/bin/python -m pip install --quiet --disable-pip-version-check onnxruntime==1.17.3 'numpy<2'
	touch $@

test-full: $(TEST) plugin-sanitized plugin native-sanitized native-cuda $(OPENVINO) $(ONNX_TOOLS) $(OLD_ONNXRUNTIME) ## Run what `make test` leaves out: sanitizers, thread orders, whole plans, the README
	$(PYTEST) -m "full and not gpu" $(PYTEST_FLAGS)

# mutmut's requirements are not those of the project.
MUTMUT := build/mutmut/.ready
$(MUTMUT): $(TEST)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --target build/mutmut mutmut==3.8.1
	touch $@

mutants: $(TEST) $(MUTMUT) ## Plant mistakes in MODULE=pitome/..., and list those that its TESTS= let pass
	$(VENV)/bin/python -m tests.mutants "$(MODULE)" $(if $(TESTS),--tests $(TESTS)) $(MUTANTS_FLAGS)

test-gpu-kernels: ## On an NVIDIA GPU: the kernels right, and how fast; PYTHON needs PyTorch and numpy only
	$(PYTHON) -m tests.plugins.gpu_kernels

test-gpu: $(TEST) plugin native-cuda ## Run what needs an NVIDIA GPU; leaves build/gpu-report.md
	$(VENV)/bin/python -m pytest -m gpu $(PYTEST_FLAGS)

CXX_FILES = $(shell find plugins tests/plugins examples -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
CLANG_FORMAT := $(VENV)/bin/clang-format --style=file:plugins/.clang-format

lint: $(TEST) ## ruff, mypy, clang-format and hadolint
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/mypy
	@$(CLANG_FORMAT) --dry-run -Werror $(CXX_FILES)
	@$(VENV)/bin/hadolint docker/Dockerfile.*

format: $(TEST) ## Format, and fix what ruff can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	@$(CLANG_FORMAT) -i $(CXX_FILES)

clean: ## Remove build/ and caches; .venv stays
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
