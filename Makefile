# Each target installs what it needs into .venv. A fresh machine needs Python 3.11 or newer, git and make.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
# LOCK=1 installs the versions of requirements/test.txt, whose hashes pip verifies. CI does.
LOCK ?=
# Writes the files in requirements/.
UV := uv==0.13.9
TEXT ?= Hello! I am Bark, and this is my voice.
OUT ?= demo.wav
WORK ?= training-run
SEED ?= 1
FAULTS ?=
MINUTES ?= 30
# The oldest supported grpcio-tools: its generated code runs under every newer runtime.
GRPCIO_TOOLS := grpcio-tools==1.71.2
# Writes the types of the gRPC stubs and servicers; a newer version may write them differently.
MYPY_PROTOBUF := mypy-protobuf==3.7.0
# The xDS API's own messages, which a test's ORCA client reads. The package contains other packages' files
# (googleapis-common-protos, opentelemetry-proto), so it must not be in .venv.
XDS_PROTOS := xds-protos>=1.71,<1.72
# Both packages in one command: barkserve depends on barkclient of the same version.
CLIENT := -e clients/python
PACKAGES := pyproject.toml clients/python/pyproject.toml clients/python/barkclient/_version.py

# The container image. VARIANT=cpu needs PIP_EXTRA_INDEX_URL: an index with CPU builds of torch. See docs/kubernetes.md.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' clients/python/barkclient/_version.py)
VARIANT ?= cpu
# A version of flash-attn to compile into the CUDA image; empty: none.
FLASH_ATTN ?=
IMAGE ?= barkserve:$(VERSION)-$(VARIANT)
IMAGE_BUILD ?= docker build
IMAGE_RUN ?= docker run
CHECKPOINT ?=
WEIGHTS_IMAGE ?=
WEIGHTS_TAG ?= latest

BIN := .venv/bin
PROTOS := protos/barkserve/v1/*.proto protos/barkserve/external/*.proto
PROTOC := .venv-protos/bin/python -m grpc_tools.protoc -Iprotos --plugin=.venv-protos/bin/protoc-gen-mypy_grpc
generate = $(PROTOC) --python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

NODE_CLIENT := clients/node
LANGUAGES := GO=$(CURDIR)/.languages/bin/go GOENV=$(CURDIR)/.languages/go.env JAVA_PACKAGES=$(CURDIR)/.languages/java

.PHONY: demo test check format coverage fuzz fuzz-rpc docs chart dashboards protos protos-go bench tune-gpu bench-gpu bench-gpu-bundle bench-scaling bench-plan bench-long chaos soak image weights sbom lock audit test-kernels test-bench-gpu test-image test-kubernetes test-alerts test-dashboards test-apps test-clients clean help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

# The shell and make must not expand what is in TEXT.
demo: export DEMO_TEXT = $(value TEXT)
demo: export DEMO_OUT = $(value OUT)
unexport TEXT OUT
demo: $(BIN)/.stages ## start the services, speak TEXT into OUT (demo.wav), stop them
	@echo "starting the services on this machine ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 --http-port 0 -- \
		barkclient say -o "$$DEMO_OUT" -- "$$DEMO_TEXT"
	@echo "To type a text in a browser and hear it: run $(BIN)/barkserve up and open http://127.0.0.1:8080"

# The tests marked `alone` judge how the services behave under a load that they make themselves.
test: check ## run all checks and all tests
	$(BIN)/pytest -m "not alone" -n logical --maxprocesses 4 --dist loadfile --durations=10
	$(BIN)/pytest -m alone --durations=10

check: $(BIN)/.test .venv-protos/.done ## run the linters, prose check, types, import rules, workflows and protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python -m tools.prose
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_services.py -k registry
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zizmor --quiet --offline .github
	cd protos && ../$(BIN)/buf lint
	@./protos/check_breaking.sh $(BIN)/buf
	@rm -rf .venv-protos/out && mkdir .venv-protos/out
	@$(call generate,.venv-protos/out)
	@for package in v1 external; do \
		diff -rq -x __pycache__ -x __init__.py .venv-protos/out/barkserve/$$package services/barkserve/$$package \
		|| { echo "services/barkserve/$$package differs from what protos/ generates: run make protos"; exit 1; }; done

format: $(BIN)/.test ## format the code and the protos
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd protos && ../$(BIN)/buf format -w

chart: $(BIN)/.test ## write the chart's schema and README
	$(BIN)/python -m tools.chart_schema
	$(BIN)/python -m tools.chart_readme

dashboards: $(BIN)/.test ## write the Grafana dashboards of the chart
	$(BIN)/python -m tools.dashboards

protos: .venv-protos/.done ## generate services/barkserve/v1 and external from protos/
	$(call generate,services)

protos-go: $(BIN)/.test ## generate clients/go/barkserve/v1 (needs protoc-gen-go and protoc-gen-go-grpc)
	cd clients/go && $(CURDIR)/$(BIN)/buf generate

coverage: $(BIN)/.test ## run the tests (ARGS, default all) and report which lines they cover
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fuzz-rpc: $(BIN)/.test ## send FUZZ_EXAMPLES (300) random messages to every RPC, HTTP route and WebSocket
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),300) $(BIN)/pytest -s --timeout 3600 tests/fuzz/test_rpcs.py tests/fuzz/test_gateway.py

fuzz: $(BIN)/.fuzz ## fuzz the parsers TARGETS (all) for FUZZ_SECONDS (60) each, guided by coverage (Linux)
	$(BIN)/python -m tools.fuzz --seconds $(or $(FUZZ_SECONDS),60) $(TARGETS)

docs: $(BIN)/.docs ## build the docs site into site/, with all links checked
	$(BIN)/python -m tools.docs_site build/docs
	$(BIN)/zensical build --strict

bench-long: $(BIN)/.train ## measure ten minutes of text as one synthesis (Linux; takes half an hour)
	PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 --http-port 0 -- \
		python -m benchmarks.quality.long_text --out benchmarks/results/long-text.json

bench: $(BIN)/.test ## compare each stage with transformers (takes minutes; run nothing else)
	$(BIN)/python -W ignore -m benchmarks.stages --out benchmarks/results/stages-cpu
	$(BIN)/python -W ignore -m benchmarks.steps --out benchmarks/results/steps-cpu.json
	$(BIN)/python -W ignore -m benchmarks.precision --out benchmarks/results/precision-cpu.json

tune-gpu: $(BIN)/.test ## measure decode kernels on this NVIDIA GPU, and write the table that chooses them (minutes)
	$(BIN)/python -W ignore -m benchmarks.tune_gpu $(ARGS)

bench-gpu: $(BIN)/.test ## measure this machine's GPU for BUDGET (300) seconds; run it again to continue (ARGS=...)
	$(BIN)/python -W ignore -m benchmarks.gpu --budget $(or $(BUDGET),300) $(ARGS)

bench-gpu-bundle: $(BIN)/.test ## pack bench-gpu for a machine without network (ARGS="--python 3.12 ...")
	$(BIN)/python -m tools.bench_bundle $(ARGS)

test-bench-gpu: $(BIN)/.test ## run bench-gpu on the CPU with tiny models (some minutes)
	$(BIN)/python -W ignore -m benchmarks.gpu --device cpu --tiny --budget 1200 --fresh --out build/bench-gpu/tiny.json

bench-scaling: $(BIN)/.test ## measure autoscaling under changing load (four minutes; run nothing else)
	$(BIN)/python -W ignore -m benchmarks.scaling --out benchmarks/results/scaling --plot docs/scaling.png

bench-plan: $(BIN)/.test ## profile this machine for barkclient plan, and compare three loads with the simulation (four minutes; run nothing else)
	$(BIN)/python -W ignore -m benchmarks.plan check --out benchmarks/results/plan-cpu.json

chaos: $(BIN)/.test ## run all faults on real processes and print what they cost (a quarter of an hour; DOCS=1 writes docs/reliability.md)
	$(BIN)/python -m tools.chaos --seed $(SEED) --faults "$(FAULTS)" $(if $(DOCS),--docs docs/reliability.md)

soak: $(BIN)/.test ## speak at twice the capacity for MINUTES (30), check memory and event loops (run nothing else)
	$(BIN)/python -m tools.soak --seed $(SEED) --minutes $(MINUTES)

image: ## build the container image IMAGE; VARIANT=cpu or cuda (FLASH_ATTN=2.8.3 compiles flash-attn)
	$(IMAGE_BUILD) -f services/Dockerfile -t $(IMAGE) --build-arg VARIANT=$(VARIANT) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(shell git rev-parse HEAD) \
		$(if $(FLASH_ATTN),--build-arg FLASH_ATTN=$(FLASH_ATTN)) \
		$(if $(PIP_EXTRA_INDEX_URL),--build-arg PIP_EXTRA_INDEX_URL="$(PIP_EXTRA_INDEX_URL)") .

weights: ## build the images WEIGHTS_IMAGE/SERVICE:WEIGHTS_TAG, each with a service's part of CHECKPOINT, for the chart
	@test -n "$(CHECKPOINT)" -a -n "$(WEIGHTS_IMAGE)" || { echo "give CHECKPOINT=suno/bark@REVISION and WEIGHTS_IMAGE=registry/name"; exit 1; }
	@for service in orchestrator semantic coarse fine codec; do \
		$(IMAGE_BUILD) -f deploy/weights.Dockerfile -t $(WEIGHTS_IMAGE)/$$service:$(WEIGHTS_TAG) \
			--build-arg IMAGE=$(IMAGE) --build-arg SERVICE=$$service --build-arg CHECKPOINT=$(CHECKPOINT) deploy || exit 1; \
	done

sbom: ## write the list of the packages in the image IMAGE (CycloneDX) into sbom.cdx.json
	$(IMAGE_RUN) --rm --entrypoint cat $(IMAGE) /opt/barkserve/app/sbom.cdx.json > sbom.cdx.json

lock: .venv-tools/.done ## lock the packages of image, tests and tools, with hashes (needs PyPI)
	$(PYTHON) -m tools.lock .venv-tools/bin/uv

audit: .venv-tools/.done ## look for known vulnerabilities of the locked packages (needs PyPI's advisories)
	for file in image cuda test tools; do \
		.venv-tools/bin/pip-audit --require-hashes --disable-pip -r requirements/$$file.txt || exit 1; \
	done

test-kernels: $(BIN)/.test ## test the Triton kernels with many shapes, and compile them for an H100 (no GPU needed; minutes)
	KERNEL_SWEEP=1 $(BIN)/pytest -n0 --timeout 3600 -o faulthandler_timeout=0 tests/kernels

test-image: $(BIN)/.test ## build the image without Docker and test it (minutes; needs buildah, podman, runc, debootstrap)
	$(BIN)/python tests/image/build.py localhost/barkserve:test
	IMAGE=localhost/barkserve:test $(BIN)/pytest tests/image

test-kubernetes: $(BIN)/.test ## test the chart, discovery and scaling on a real control plane (needs Debian's apt, dpkg-dev, npm)
	$(BIN)/python -m tests.kubernetes.build .kubernetes
	CONTROL_PLANE=.kubernetes $(BIN)/pytest tests/kubernetes

test-apps: $(BIN)/.stages .venv-apps/.done ## test Pipecat and LiveKit with gRPC and the gateway, S3 voices and audio playback (installs a gigabyte the first time)
	.venv-apps/bin/mypy -m barkclient.integrations.pipecat -m barkclient.integrations.livekit
	PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 --http-port 0 -- \
		.venv-apps/bin/python -m pytest --confcutdir=tests/apps -W default::DeprecationWarning tests/apps

test-alerts: $(BIN)/.test ## test the alert rules with promtool (from Debian)
	$(BIN)/python tests/support/fetch_programs.py .prometheus promtool
	PROMETHEUS=.prometheus $(BIN)/pytest tests/alerts

test-dashboards: $(BIN)/.test ## query every panel of the dashboards in a Prometheus (from Debian) that scrapes services under load (PICTURE=FILE.png)
	$(BIN)/python tests/support/fetch_programs.py .prometheus promtool
	PROMETHEUS=.prometheus PICTURE=$(PICTURE) $(BIN)/pytest --timeout 900 -o faulthandler_timeout=0 tests/dashboards

test-clients: $(BIN)/.test $(NODE_CLIENT)/dist/index.mjs .languages/.done ## test the gateway, the page in Chromium, the SDKs, Node.js, Go, Java, proxies, the examples and the snippets (needs npm and a JDK; gets Debian's chromium, nginx and haproxy)
	@command -v chromium google-chrome >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| { echo "Chromium is missing: install it, or run make test-clients as root on Debian"; exit 1; }
	@command -v caddy >/dev/null || apt-get install -y -qq --no-install-recommends caddy \
		|| echo "Caddy is missing: its test is skipped"
	NODE_CLIENT=1 $(LANGUAGES) $(BIN)/pytest tests/gateway tests/node tests/deploy
	$(BIN)/python tests/support/fetch_programs.py .proxies nginx haproxy
	PROXIES=.proxies $(BIN)/pytest tests/proxies
	NODE_CLIENT=1 $(LANGUAGES) $(BIN)/pytest tests/languages tests/interfaces
	PATH="$(CURDIR)/$(BIN):$$PATH" barkserve up --port 0 --metrics-port 0 --http-port 0 \
		--voice-store build/test-voices --admission count -- pytest tests/examples

# Training of bark-mini; everything is written to WORK. The steps, in order:
#   train-texts train-teacher train-features train-codes
#   train-codec train-coarse train-semantic train-fine    (in any order, or at once)
#   train-export train-evaluate
# train-all runs the second line and the export on the data that train-pack packed. See training/README.md.
train-%: $(BIN)/.train
	$(BIN)/python -m training $* $(if $(filter evaluate,$*),$(WORK)/export/bark-mini,--work $(WORK)) $(ARGS)

clean: ## remove everything that make created
	rm -rf $(NODE_CLIENT)/node_modules $(NODE_CLIENT)/dist .venv .venv-protos .venv-apps .venv-tools .kubernetes .proxies .prometheus .languages .cache .coverage* build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

$(BIN)/.stages: $(BIN)/python $(PACKAGES) constraints.txt
	@echo "installing barkserve (torch is large: this can take some minutes the first time) ..."
	$(if $(LOCK),$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/test.txt)
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[stages,gateway]'
	@touch $@

$(BIN)/.test: $(BIN)/.stages
	@echo "installing the test tools ..."
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[stages,test]'
	@touch $@

$(BIN)/.docs: $(BIN)/python $(PACKAGES)
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[docs]'
	@touch $@

$(BIN)/.fuzz: $(BIN)/.stages
	$(BIN)/pip install --quiet --progress-bar on -c $(CONSTRAINTS) $(CLIENT) -e '.[stages,fuzz]'
	@touch $@

$(BIN)/.train: $(BIN)/.stages training/requirements.txt
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -r training/requirements.txt
	@touch $@

$(NODE_CLIENT)/node_modules/.package-lock.json: $(NODE_CLIENT)/package.json $(NODE_CLIENT)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer"; exit 1; }
	npm --prefix $(NODE_CLIENT) ci --no-audit --no-fund --ignore-scripts

$(NODE_CLIENT)/dist/index.mjs: $(NODE_CLIENT)/node_modules/.package-lock.json $(shell find $(NODE_CLIENT)/src -name '*.ts')
	npm --prefix $(NODE_CLIENT) run build

.venv-protos/.done: Makefile
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/pip install --quiet '$(GRPCIO_TOOLS)' '$(MYPY_PROTOBUF)' '$(XDS_PROTOS)'
	@touch $@

.languages/.done: tests/languages/build.py tests/support/debian.py clients/go/go.mod | $(BIN)/.test
	$(BIN)/python -m tests.languages.build .languages
	@touch $@

.venv-tools/.done: Makefile requirements/tools.txt
	$(PYTHON) -m venv .venv-tools
	.venv-tools/bin/pip install --quiet --require-hashes --no-deps -r requirements/tools.txt
	.venv-tools/bin/pip install --quiet '$(UV)'
	@touch $@

.venv-apps/.done: $(PACKAGES)
	$(PYTHON) -m venv .venv-apps
	.venv-apps/bin/pip install --quiet --progress-bar on $(CLIENT) -e '.[test-apps]'
	@touch $@
