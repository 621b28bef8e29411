#!/bin/sh
# Refuse protos that break clients of the last commit: of HEAD while protos/ is being changed, else of the commit before.
set -eu
buf=$1
git rev-parse --git-dir >/dev/null 2>&1 || { echo "no git history: breaking changes not checked"; exit 0; }
base=HEAD
git diff --quiet HEAD -- protos 2>/dev/null && base=HEAD~1
git cat-file -e "$base:protos/buf.yaml" 2>/dev/null || { echo "no earlier protos: breaking changes not checked"; exit 0; }
rm -rf .venv-protos/base && mkdir -p .venv-protos/base
git archive "$base" protos | tar -x -C .venv-protos/base
"$buf" breaking protos --against .venv-protos/base/protos
