{{/* Parts of ServiceMonitor and PodMonitor. */}}

{{- define "barkserve.monitored" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "barkserve.name" . }}
  app.kubernetes.io/instance: {{ .Release.Name }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: {{ include "barkserve.services" . }}
{{- end }}

{{- define "barkserve.relabelings" -}}
# Do not scrape pods that have ended.
relabelings:
  - action: drop
    sourceLabels: [__meta_kubernetes_pod_phase]
    regex: (Failed|Succeeded)
{{- end }}
