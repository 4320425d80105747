# `make` prints this file's targets. Everything is a plain Go command; the Makefile only remembers the flags.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(CURDIR)/.cache
export PATH := $(CACHE)/bin:$(PATH):/usr/local/sbin:/usr/sbin

# Without a home directory Go has nowhere to keep modules and builds: keep them in the clone.
ifeq ($(strip $(HOME)),)
export GOPATH ?= $(CACHE)/go
export GOCACHE ?= $(CACHE)/go-build
endif

# PKG narrows test, race, cover and lint to some packages: make race PKG=./internal/spool/...
PKG ?= ./...
# SEEDS are the seeds of make soak.
SEEDS ?= 1 2 3 4 5 6 7 8 9 10
# FUZZTIME is how long each fuzz target runs.
FUZZTIME ?= 10s

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Run the whole service on a made-up workshop: http://127.0.0.1:8080
	go run ./cmd/jishi up --demo

.PHONY: build
build: ## Compile every package, and the binary into bin/jishi
	go build ./...
	mkdir -p bin && go build -trimpath -o bin/ ./cmd/...

.PHONY: setup
setup: ## Obtain what the tests need beside Go: a C compiler, mosquitto, Chromium, influxd 1.8.10
	@bash .ci/setup

.PHONY: test
test: setup race ## Set up, then run every test with the race detector

.PHONY: race
race: ## Every test with the race detector, without the set-up
	go test -race -shuffle=on -timeout 15m $(PKG)

.PHONY: fmt
fmt: ## Fail when a Go file is not formatted
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [[ -n $$bad ]]; then printf 'not formatted; run gofmt -w on:\n%s\n' "$$bad" >&2; exit 1; fi

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: arch
arch: ## The repository's own rules: imports, names, sizes, documents
	go test ./internal/archtest

.PHONY: lint
lint: $(CACHE)/bin/golangci-lint ## golangci-lint as .golangci.yml says
	golangci-lint run $(PKG)

.PHONY: vuln
vuln: $(CACHE)/bin/govulncheck ## Known vulnerabilities in what the binary calls; needs the vulnerability database
	govulncheck ./... || { [[ $$? == 3 ]] || echo "vuln: nothing was checked: the vulnerability database could not be read" >&2; exit 1; }

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@FUZZTIME=$(FUZZTIME) bash .ci/fuzz

# BENCH holds options of cmd/bench: make bench BENCH='-runs 1 -only city'
BENCH ?=

.PHONY: bench
bench: setup $(CACHE)/bin/telegraf ## Measure this machine beside peers and limits, see docs/figures.md; about six minutes
	@mkdir -p $(CACHE)/bench && go build -trimpath -o $(CACHE)/bench/ ./cmd/bench ./cmd/jishi
	$(CACHE)/bench/bench -jishi $(CACHE)/bench/jishi -tools $(CACHE)/bin -dir $(CACHE)/bench $(BENCH)

# FAULTS holds options of cmd/faults: make faults FAULTS='-only week,flood'
FAULTS ?=

.PHONY: faults
faults: setup ## Kill, cut, fill, damage: what became of every acknowledged message, see docs/faults.md; about six minutes
	@mkdir -p $(CACHE)/faults && go build -trimpath -o $(CACHE)/faults/ ./cmd/faults ./cmd/jishi
	$(CACHE)/faults/faults -jishi $(CACHE)/faults/jishi -tools $(CACHE)/bin -dir $(CACHE)/faults $(FAULTS)

.PHONY: cover
cover: ## Coverage of the whole module: .cache/cover.html and the total
	@mkdir -p $(CACHE)
	go test -coverpkg=./... -coverprofile=$(CACHE)/cover.out $(PKG)
	go tool cover -html=$(CACHE)/cover.out -o $(CACHE)/cover.html
	go tool cover -func=$(CACHE)/cover.out | tail -n 1

.PHONY: truth
truth: ## Every example scenario and each fault alone: what was measured beside what is true, see docs/truth.md; four minutes
	go run ./cmd/jishi sim compare --suite

.PHONY: clues
clues: ## Planted frauds through the whole path: found, missed and false alarms by rule, see docs/truth.md; two minutes
	go run ./cmd/jishi sim clues --seeds 10 --honest

.PHONY: truth-nist
truth-nist: setup ## Both weeks of the NIST machine tools through the whole path, whole and under kill -9; prints the table
	go test ./cmd/jishi -run 'TestTruthNIST|TestKillAnything' -count 1 -full -v -timeout 30m

.PHONY: soak
soak: setup ## The kill -9 replay again and again with other seeds: make soak SEEDS="1 2 3"
	for seed in $(SEEDS); do go test ./cmd/jishi -run TestKillAnything -count 1 -full -seed $$seed -v -timeout 30m || exit 1; done

.PHONY: gen
gen: ## Regenerate what is generated
	go generate ./...

.PHONY: gen-check
gen-check: ## Fail when gen changes a file
	@mkdir -p $(CACHE); state() { git diff; git status --porcelain --untracked-files=all; }; \
	  state >$(CACHE)/before-gen; $(MAKE) --no-print-directory gen; state >$(CACHE)/after-gen; \
	  diff -u $(CACHE)/before-gen $(CACHE)/after-gen || { echo 'generated files are stale: run make gen and commit' >&2; exit 1; }

.PHONY: check
check: ## Exactly what CI runs
	@bash .ci/run

# The tools' versions are pinned in their own module, so that their dependencies never reach the product's.
$(CACHE)/bin/golangci-lint: internal/tools/go.mod
	cd internal/tools && GOBIN=$(CACHE)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

$(CACHE)/bin/govulncheck: internal/tools/go.mod
	cd internal/tools && GOBIN=$(CACHE)/bin go install golang.org/x/vuln/cmd/govulncheck
	@touch $@

# The peer of make bench, with a few plugins only, so that it builds in half a minute.
TELEGRAF := github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
TELEGRAF_TAGS := custom,inputs.mqtt_consumer,inputs.internal,outputs.influxdb_v2,outputs.file,outputs.discard,parsers.json,parsers.json_v2,parsers.influx,parsers.value,serializers.influx

$(CACHE)/bin/telegraf:
	GOBIN=$(CACHE)/bin GOFLAGS=-buildvcs=false go install -ldflags '-s -w' -tags '$(TELEGRAF_TAGS)' $(TELEGRAF)
