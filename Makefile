# `make demo` and `make test` set up everything they need, on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
TEXT ?= Hello! I am Bark, and this is my voice.
OUT ?= demo.wav
WORK ?= training-run
# The oldest grpcio-tools we support: code that it generates runs under every newer runtime.
GRPCIO_TOOLS := grpcio-tools==1.71.2
# Both packages in one command: barkserve depends on barkclient of the same version.
CLIENT := -e clients/python
PACKAGES := pyproject.toml clients/python/pyproject.toml clients/python/barkclient/_version.py

# The image: cpu needs PIP_EXTRA_INDEX_URL set to an index with a torch for CPUs, see docs/kubernetes.md.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' clients/python/barkclient/_version.py)
VARIANT ?= cpu
IMAGE ?= barkserve:$(VERSION)-$(VARIANT)
IMAGE_BUILD ?= docker build

BIN := .venv/bin
PROTOS := protos/barkserve/v1/*.proto protos/barkserve/external/*.proto
PROTOC := .venv-protos/bin/python -m grpc_tools.protoc -Iprotos

.PHONY: demo test check format protos bench bench-scaling bench-long image test-image test-kubernetes test-apps clean help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(BIN)/.stages ## speak TEXT into OUT (demo.wav) with five services started for it
	@echo "starting five services on this machine ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 -- barkclient say "$(TEXT)" -o "$(OUT)"

test: check ## all checks and all tests
	$(BIN)/pytest --durations=10

check: $(BIN)/.test .venv-protos/.done ## linters, types, import rules, protos and their generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint
	@./protos/check_breaking.sh $(BIN)/buf
	@rm -rf .venv-protos/out && mkdir .venv-protos/out
	@$(PROTOC) --python_out=.venv-protos/out --pyi_out=.venv-protos/out --grpc_python_out=.venv-protos/out $(PROTOS)
	@for package in v1 external; do \
		diff -rq -x __pycache__ -x __init__.py .venv-protos/out/barkserve/$$package services/barkserve/$$package \
		|| { echo "services/barkserve/$$package is not what protos/ generates: run make protos"; exit 1; }; done

format: $(BIN)/.test ## rewrite the code in house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd protos && ../$(BIN)/buf format -w

protos: .venv-protos/.done ## generate services/barkserve/v1 and external from protos/
	$(PROTOC) --python_out=services --pyi_out=services --grpc_python_out=services $(PROTOS)

bench-long: $(BIN)/.train ## ten minutes of text as one speech: memory, voice, no sentence lost (Linux; takes half an hour)
	PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 -- \
		python -m benchmarks.quality.long_text --out benchmarks/results/long-text.json

bench: $(BIN)/.test ## each stage beside transformers' (takes minutes; nothing else should run)
	$(BIN)/python -W ignore -m benchmarks.stages --out benchmarks/results/stages-cpu
	$(BIN)/python -W ignore -m benchmarks.steps --out benchmarks/results/steps-cpu.json

bench-scaling: $(BIN)/.test ## load rises and falls, the stages follow (four minutes; nothing else should run)
	$(BIN)/python -W ignore -m benchmarks.scaling --out benchmarks/results/scaling --plot docs/scaling.png

image: ## build the container image IMAGE; VARIANT=cpu or cuda
	$(IMAGE_BUILD) -f services/Dockerfile -t $(IMAGE) --build-arg VARIANT=$(VARIANT) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(shell git rev-parse HEAD) \
		$(if $(PIP_EXTRA_INDEX_URL),--build-arg PIP_EXTRA_INDEX_URL="$(PIP_EXTRA_INDEX_URL)") .

test-image: $(BIN)/.test ## build the image without Docker, run it, let it speak (minutes; needs buildah, podman, runc, debootstrap)
	$(BIN)/python tests/image/build.py localhost/barkserve:test
	IMAGE=localhost/barkserve:test $(BIN)/pytest tests/image

test-kubernetes: $(BIN)/.test ## chart, discovery and scaling on a real control plane, built the first time (needs Debian's apt, dpkg-dev, npm)
	$(BIN)/python tests/kubernetes/build.py .kubernetes
	CONTROL_PLANE=.kubernetes $(BIN)/pytest tests/kubernetes

test-apps: $(BIN)/.stages .venv-apps/.done ## Pipecat and LiveKit speak through five services, voices lie in S3, a device plays (installs a gigabyte the first time)
	.venv-apps/bin/mypy -m barkclient.integrations.pipecat -m barkclient.integrations.livekit
	PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 -- \
		.venv-apps/bin/python -m pytest --confcutdir=tests/apps -W default::DeprecationWarning tests/apps

# train-texts train-pronounce train-teacher train-features train-codes, then train-codec train-coarse train-semantic train-fine
# side by side, then train-export and train-evaluate; train-all is the middle of these in one command, from what train-pack
# prepared. See training/README.md. Everything is written to WORK.
train-%: $(BIN)/.train
	$(BIN)/python -m training $* $(if $(filter evaluate,$*),$(WORK)/export/bark-mini,--work $(WORK)) $(ARGS)

clean: ## remove what make made
	rm -rf .venv .venv-protos .venv-apps .kubernetes .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

$(BIN)/.stages: $(BIN)/python $(PACKAGES) constraints.txt
	@echo "installing barkserve (torch is large: this can take some minutes the first time) ..."
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[stages]'
	@touch $@

$(BIN)/.test: $(BIN)/.stages
	@echo "installing what the tests need ..."
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[stages,test]'
	@touch $@

$(BIN)/.train: $(BIN)/.stages training/requirements.txt
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -r training/requirements.txt
	@touch $@

.venv-protos/.done:
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/pip install --quiet '$(GRPCIO_TOOLS)'
	@touch $@

.venv-apps/.done: $(PACKAGES)
	$(PYTHON) -m venv .venv-apps
	.venv-apps/bin/pip install --quiet --progress-bar on $(CLIENT) -e '.[test-apps]'
	@touch $@
