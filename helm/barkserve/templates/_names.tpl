{{/* Names and labels. */}}

{{- define "barkserve.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release if it contains the name of the chart or begins it ("my-barkserve", "bark"), else both.
     46 characters leave room for the longest suffix, "-orchestrator-tls", within 63 characters. A longer name ends with
     a checksum, so that two long names that begin alike do not collide. */}}
{{- define "barkserve.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name (include "barkserve.name" .)) (or (contains (include "barkserve.name" .) .Release.Name) (hasPrefix .Release.Name (include "barkserve.name" .))) -}}
{{- end -}}
{{- if gt (len $name) 46 -}}
{{- $name = printf "%s-%s" ($name | trunc 37 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- $name | trimSuffix "-" }}
{{- end }}

{{/* (list $ "coarse") -> the name of the objects of the coarse stage. */}}
{{- define "barkserve.serviceName" -}}
{{- printf "%s-%s" (include "barkserve.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{/* (list $ "coarse") -> the labels that select its pods; they never change in an upgrade. */}}
{{- define "barkserve.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "barkserve.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list $ "coarse") -> the labels of each object. Those of the values cannot replace the chart's. */}}
{{- define "barkserve.labels" -}}
{{- $root := index . 0 -}}
{{- $labels := include "barkserve.selector" . | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/part-of" "barkserve" -}}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $labels $root.Values.labels) }}
{{- end }}

{{/* (list $ "coarse" labels annotations) -> labels and annotations of an object, with its own ones. */}}
{{- define "barkserve.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- toYaml (merge (include "barkserve.labels" . | fromYaml) (index . 2)) | nindent 2 }}
{{- with merge (dict) (index . 3) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* (list $ "coarse") -> the Secret with its certificate. */}}
{{- define "barkserve.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.tls.source "secret" -}}
{{- index $root.Values.tls.secrets (index . 1) }}
{{- else -}}
{{- include "barkserve.serviceName" . }}-tls
{{- end }}
{{- end }}
