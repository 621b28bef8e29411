# An image with one service's part of a checkpoint and nothing else, for the chart's weights.source image.
# `make weights` builds one for each service.

# The image of barkserve, which fetches and verifies.
ARG IMAGE
FROM ${IMAGE} AS fetch
# orchestrator, semantic, coarse, fine or codec.
ARG SERVICE
# NAME@REVISION on the hub, or a mounted folder.
ARG CHECKPOINT
RUN barkserve fetch --stage="$SERVICE" --checkpoint="$CHECKPOINT" --to=/tmp/weights \
 && chmod -R a+rX /tmp/weights

FROM scratch
COPY --from=fetch /tmp/weights /
