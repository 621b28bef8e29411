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
    {{- toYaml (merge (dict "helm.sh/resource-policy" "keep") $claim.annotations (index . 0).Values.commonAnnotations) | nindent 4 }}
spec:
  {{- include "barkserve.claimSpec" $claim | nindent 2 }}
{{- end }}

{{/* values of a claim -> its spec. The storage class "-" means none: a volume that exists already. */}}
{{- define "barkserve.claimSpec" -}}
accessModes: [{{ .accessMode }}]
{{- with .storageClassName }}
storageClassName: {{ eq . "-" | ternary "" . | quote }}
{{- end }}
{{- with .selector }}
selector:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end }}

{{- define "barkserve.voicesClaim" -}}
{{- .Values.voices.volume.existingClaim | default (printf "%s-voices" (include "barkserve.fullname" .)) }}
{{- end }}

{{/* (list $ service) -> the mounts of the service's container. */}}
{{- define "barkserve.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "barkserve.copies" . }}
- name: weights
  mountPath: /weights
  readOnly: true
{{- else if include "barkserve.fetches" . }}
- name: source
  mountPath: /source
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
- name: tmp
  emptyDir:
    {{- toYaml (ternary (dict "sizeLimit" (index . 1).tmp.sizeLimit) dict (ne (index . 1).tmp.sizeLimit "")) | nindent 4 }}
{{- include "barkserve.weightsVolumes" . }}
{{- if $root.Values.tls.enabled }}
{{- include "barkserve.tlsVolume" (list $root (index . 1).name) }}
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

{{/* (list $ "coarse") -> the volume with tls.crt, tls.key and ca.crt. */}}
{{- define "barkserve.tlsVolume" -}}
{{- $tls := (index . 0).Values.tls -}}
{{- $secret := include "barkserve.tlsSecret" . }}
- name: tls
  {{- if eq $tls.source "volume" }}
  {{- toYaml $tls.volume | nindent 2 }}
  {{- else if and (ne $tls.source "podCertificate") (not $tls.trustBundle.configMap) }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
  {{- else }}
  projected:
    defaultMode: 0440
    sources:
      {{- if eq $tls.source "podCertificate" }}
      - podCertificate:
          signerName: {{ $tls.podCertificate.signerName }}
          keyType: {{ $tls.podCertificate.keyType }}
          maxExpirationSeconds: {{ $tls.podCertificate.maxExpirationSeconds | int64 }}
          certificateChainPath: tls.crt
          keyPath: tls.key
      {{- else }}
      - secret:
          name: {{ $secret }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
      {{- end }}
      {{- if $tls.trustBundle.configMap }}
      - configMap:
          name: {{ $tls.trustBundle.configMap }}
          items:
            - {key: {{ $tls.trustBundle.key | quote }}, path: ca.crt}
      {{- else }}
      - clusterTrustBundle:
          signerName: {{ $tls.podCertificate.trustSignerName | default $tls.podCertificate.signerName }}
          labelSelector: {}
          path: ca.crt
      {{- end }}
  {{- end }}
{{- end }}
