{{/* Where the weights of a pod come from. For every source, an init container runs `barkserve fetch`, which writes
     the service's part of the checkpoint to /weights and verifies its checksums. */}}

{{/* (list $ service) -> "true" if it reads a checkpoint from outside the image. */}}
{{- define "barkserve.fetches" -}}
{{- if and (ne (index . 0).Values.weights.source "bundled") (not (has (index . 1).name (list "gateway" "autoscaler"))) }}true{{ end }}
{{- end }}

{{/* (list $ service) -> the value of --checkpoint; empty for the bundled model. */}}
{{- define "barkserve.checkpoint" -}}
{{- if include "barkserve.fetches" . }}/weights/{{ (index . 1).name }}{{ end }}
{{- end }}

{{- define "barkserve.weightsClaim" -}}
{{- .Values.weights.hub.cache.existingClaim | default (printf "%s-weights" (include "barkserve.fullname" .)) }}
{{- end }}

{{/* (list $ service) -> the init container that fetches, if any. */}}
{{- define "barkserve.fetchContainers" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $weights := $root.Values.weights -}}
{{- if include "barkserve.fetches" . }}
- name: fetch
  image: {{ include "barkserve.image" . }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args:
    - fetch
    - --stage={{ $service.name }}
    {{- if eq $weights.source "hub" }}
    - --checkpoint={{ $weights.hub.name }}
    {{- else }}
    - {{ printf "--checkpoint=/source/%s" (trimPrefix "/" (index $weights $weights.source).path) | trimSuffix "/" | quote }}
    {{- end }}
    - --to=/weights/{{ $service.name }}
  {{- if eq $weights.source "hub" }}
  env:
    - name: HF_HOME
      value: /weights/hub
    {{- with $weights.hub.tokenSecret }}
    - name: HF_TOKEN
      valueFrom:
        secretKeyRef:
          name: {{ . }}
          key: token
    {{- end }}
  {{- end }}
  resources:
    {{- toYaml $service.resources | nindent 4 }}
  securityContext:
    {{- include "barkserve.containerSecurity" $root | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    - name: weights
      mountPath: /weights
    {{- if ne $weights.source "hub" }}
    - name: source
      mountPath: /source
      readOnly: true
    {{- end }}
{{- end }}
{{- end }}
