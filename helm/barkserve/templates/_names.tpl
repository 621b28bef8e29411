{{/* Names and labels. */}}

{{- define "barkserve.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release if it contains the name of the chart or begins it ("my-barkserve", "bark"), else both.
     46 characters leave room for the longest suffix, "-orchestrator-tls", within 63 characters. */}}
{{- define "barkserve.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if or (contains (include "barkserve.name" .) .Release.Name) (hasPrefix .Release.Name (include "barkserve.name" .)) }}
{{- .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "barkserve.name" .) | trunc 46 | trimSuffix "-" }}
{{- end }}
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

{{/* (list $ "coarse") -> the labels of each object. */}}
{{- define "barkserve.labels" -}}
{{- $root := index . 0 -}}
{{ include "barkserve.selector" . }}
app.kubernetes.io/part-of: barkserve
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list $ "coarse") -> the Secret with its certificate. */}}
{{- define "barkserve.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.tls.source "secrets" -}}
{{- index $root.Values.tls.secrets (index . 1) }}
{{- else -}}
{{- include "barkserve.serviceName" . }}-tls
{{- end }}
{{- end }}
