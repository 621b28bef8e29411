{{/* Volumes and mounts: weights, certificates, voices and temporary files. */}}

{{/* (list $ component name values) -> a claim, which `helm uninstall` keeps. */}}
{{- define "barkserve.claim" }}
{{- $claim := index . 3 }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ index . 2 }}
  namespace: {{ (index . 0).Release.Namespace }}
  labels:
    {{- include "barkserve.labels" (list (index . 0) (index . 1)) | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [{{ $claim.accessMode }}]
  {{- with $claim.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ $claim.size }}
{{- end }}

{{- define "barkserve.voicesClaim" -}}
{{- .Values.voices.volume.existingClaim | default (printf "%s-voices" (include "barkserve.fullname" .)) }}
{{- end }}

{{/* (list $ service) -> the mounts of the service's container. */}}
{{- define "barkserve.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "barkserve.fetches" . }}
- name: weights
  mountPath: /weights
  readOnly: true
{{- end }}
{{- if (index . 0).Values.tls.enabled }}
- name: tls
  mountPath: /tls
  readOnly: true
{{- end }}
{{- if and (eq (index . 1).name "orchestrator") (eq (index . 0).Values.voices.store "volume") }}
- name: voices
  mountPath: /voices
{{- end }}
{{- with (index . 1).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list $ service) -> the pod's volumes. */}}
{{- define "barkserve.volumes" -}}
{{- $root := index . 0 -}}
{{- $weights := $root.Values.weights -}}
- name: tmp
  emptyDir: {}
{{- if include "barkserve.fetches" . }}
- name: weights
  {{- if eq $weights.source "hub" }}
  persistentVolumeClaim:
    claimName: {{ include "barkserve.weightsClaim" $root }}
  {{- else }}
  emptyDir: {}
- name: source
  {{- if eq $weights.source "volume" }}
  persistentVolumeClaim:
    claimName: {{ $weights.volume.claimName }}
    readOnly: true
  {{- else }}
  image:
    reference: {{ $weights.image.reference }}
    pullPolicy: {{ $weights.image.pullPolicy }}
  {{- end }}
  {{- end }}
{{- end }}
{{- if $root.Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "barkserve.tlsSecret" (list $root (index . 1).name) }}
    defaultMode: 0440
{{- end }}
{{- if and (eq (index . 1).name "orchestrator") (eq $root.Values.voices.store "volume") }}
- name: voices
  persistentVolumeClaim:
    claimName: {{ include "barkserve.voicesClaim" $root }}
{{- end }}
{{- with (index . 1).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
