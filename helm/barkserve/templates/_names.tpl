{{/* Names and labels. Nothing here decides what a service does. */}}

{{- define "barkserve.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The release's name where it says what this is ("bark", "my-barkserve"), otherwise with the chart's behind it.
     Room is left for the longest suffix, "-orchestrator-tls", within 63 characters. */}}
{{- define "barkserve.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if or (contains (include "barkserve.name" .) .Release.Name) (hasPrefix .Release.Name (include "barkserve.name" .)) }}
{{- .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "barkserve.name" .) | trunc 46 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* (list $ "coarse") -> the name of everything that belongs to the coarse stage. */}}
{{- define "barkserve.serviceName" -}}
{{- printf "%s-%s" (include "barkserve.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{/* (list $ "coarse") -> what selects its pods; never changes over upgrades. */}}
{{- define "barkserve.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "barkserve.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* (list $ "coarse") -> labels of every object. */}}
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

{{/* (list $ "coarse") -> the Secret that holds its certificate. */}}
{{- define "barkserve.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- if eq $root.Values.tls.source "secrets" -}}
{{- index $root.Values.tls.secrets (index . 1) }}
{{- else -}}
{{- include "barkserve.serviceName" . }}-tls
{{- end }}
{{- end }}
