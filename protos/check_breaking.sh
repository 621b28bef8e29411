#!/bin/sh
# Refuses protos that break clients of the last release: the newest tag v* before HEAD.
set -eu
buf=$1
git rev-parse --git-dir >/dev/null 2>&1 || { echo "no git history: breaking changes are not checked"; exit 0; }
release=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null) \
	|| { echo "no release tag: breaking changes are not checked"; exit 0; }
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
git archive "$release" protos | tar -x -C "$base"
"$buf" breaking protos --against "$base/protos"
