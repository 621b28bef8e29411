{{/* Where the weights of a pod come from. An init container runs `barkserve fetch`, which writes the service's part of
     the checkpoint to /weights and verifies its checksums; with weights.mount direct the service reads the source. */}}

{{/* (list $ service) -> "true" if it reads a checkpoint from outside the image. The orchestrator needs only tokenizer and
     voices, and is on other nodes than the stages: its files are never on their claim. */}}
{{- define "barkserve.fetches" -}}
{{- if and (ne (index . 0).Values.weights.source "bundled") (not (has (index . 1).name (list "gateway" "autoscaler"))) }}true{{ end }}
{{- end }}

{{/* (list $ service) -> "true" if an init container fetches its part. */}}
{{- define "barkserve.copies" -}}
{{- $weights := (index . 0).Values.weights -}}
{{- if and (include "barkserve.fetches" .) (or (eq $weights.source "hub") (eq $weights.mount "copy")) }}true{{ end }}
{{- end }}

{{/* $ -> the folder of a checkpoint in the cache. Another checkpoint or revision never overwrites it. */}}
{{- define "barkserve.checkpointFolder" -}}
{{- $hub := .Values.weights.hub -}}
{{- printf "%s@%s" (replace "/" "--" $hub.name) ($hub.revision | default "main") }}
{{- end }}

{{/* (list $ service) -> the value of --checkpoint; empty for the bundled model. */}}
{{- define "barkserve.checkpoint" -}}
{{- $weights := (index . 0).Values.weights -}}
{{- if not (include "barkserve.fetches" .) -}}
{{- else if not (include "barkserve.copies" .) -}}
{{- include "barkserve.sourceFolder" . }}
{{- else if eq $weights.source "hub" -}}
/weights/{{ include "barkserve.checkpointFolder" (index . 0) }}/{{ (index . 1).name }}
{{- else -}}
/weights/{{ (index . 1).name }}
{{- end }}
{{- end }}

{{/* (list $ service) -> the folder of the mounted checkpoint. */}}
{{- define "barkserve.sourceFolder" -}}
{{- $weights := (index . 0).Values.weights -}}
{{- $path := (index $weights $weights.source).path | replace "{service}" (index . 1).name -}}
{{- printf "/source/%s" (trimPrefix "/" $path) | trimSuffix "/" }}
{{- end }}

{{- define "barkserve.weightsClaim" -}}
{{- .Values.weights.hub.cache.existingClaim | default (printf "%s-weights" (include "barkserve.fullname" .)) }}
{{- end }}

{{/* (list $ service) -> the volumes of the weights. */}}
{{- define "barkserve.weightsVolumes" -}}
{{- $root := index . 0 -}}
{{- $weights := $root.Values.weights -}}
{{- $cache := $weights.hub.cache -}}
{{- if include "barkserve.copies" . }}
- name: weights
  {{- if and (eq $weights.source "hub") (eq $cache.type "pvc") (index . 1).stage }}
  persistentVolumeClaim:
    claimName: {{ include "barkserve.weightsClaim" $root }}
  {{- else if and (eq $weights.source "hub") (eq $cache.type "ephemeral") (index . 1).stage }}
  ephemeral:
    volumeClaimTemplate:
      {{- with $cache.annotations }}
      metadata:
        annotations:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      spec:
        {{- include "barkserve.claimSpec" $cache | nindent 8 }}
  {{- else }}
  emptyDir:
    {{- toYaml (ternary (dict "sizeLimit" $weights.sizeLimit) dict (ne $weights.sizeLimit "")) | nindent 4 }}
  {{- end }}
{{- end }}
{{- if and (include "barkserve.fetches" .) (ne $weights.source "hub") }}
- name: source
  {{- if eq $weights.source "image" }}
  image:
    reference: {{ replace "{service}" (index . 1).name $weights.image.reference | quote }}
    pullPolicy: {{ $weights.image.pullPolicy }}
  {{- else if $weights.volume.spec }}
  {{- toYaml $weights.volume.spec | nindent 2 }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ $weights.volume.claimName }}
    readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{/* (list $ service) -> the init container that fetches, if any. */}}
{{- define "barkserve.fetchContainers" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- $weights := $root.Values.weights -}}
{{- if include "barkserve.copies" . }}
- name: fetch
  image: {{ include "barkserve.image" . }}
  imagePullPolicy: {{ include "barkserve.pullPolicy" . }}
  args:
    - fetch
    - --stage={{ $service.name }}
    {{- if eq $weights.source "hub" }}
    - --checkpoint={{ $weights.hub.name }}{{ with $weights.hub.revision }}@{{ . }}{{ end }}
    {{- else }}
    - {{ printf "--checkpoint=%s" (include "barkserve.sourceFolder" .) | quote }}
    {{- end }}
    - --to={{ include "barkserve.checkpoint" . }}
  {{- with include "barkserve.fetchEnv" . | fromJsonArray }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat $service.envFrom $weights.fetch.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml (include "barkserve.overlay" (list (deepCopy $service.resources) $weights.fetch.resources) | fromJson) | nindent 4 }}
  securityContext:
    {{- toYaml $service.securityContext | nindent 4 }}
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
    {{- with concat $service.extraVolumeMounts $weights.fetch.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* (list $ service) -> the variables of the init container: those of the service, of the hub, and its own. */}}
{{- define "barkserve.fetchEnv" -}}
{{- $weights := (index . 0).Values.weights -}}
{{- $env := (index . 1).env -}}
{{- if eq $weights.source "hub" -}}
{{- $env = append $env (dict "name" "HF_HOME" "value" "/weights/hub") -}}
{{- with $weights.hub.endpoint }}{{ $env = append $env (dict "name" "HF_ENDPOINT" "value" .) }}{{ end -}}
{{- with $weights.hub.tokenSecret -}}
{{- $env = append $env (dict "name" "HF_TOKEN" "valueFrom" (dict "secretKeyRef" (dict "name" . "key" $weights.hub.tokenSecretKey))) -}}
{{- end -}}
{{- end -}}
{{- toJson (concat $env $weights.fetch.env) }}
{{- end }}
