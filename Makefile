# Conveniences. Only Go is needed: `go run ./cmd/unsecret demo` runs the whole journey on the lab, and
# `go run ./.ci/test` passes all the tests.

GO ?= go
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: demo build test race vet lint

demo:
	$(GO) run ./cmd/unsecret demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o unsecret ./cmd/unsecret

test:
	$(GO) run ./.ci/test

race:
	$(GO) run ./.ci/test -race -short

vet:
	$(GO) vet ./...

lint:
	$(GO) run $(GOLANGCI_LINT) run
