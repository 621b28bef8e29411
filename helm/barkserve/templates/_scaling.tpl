{{/* How fast a Deployment scales up and down, with KEDA and with a plain HPA. */}}

{{- define "barkserve.behavior" -}}
{{- $up := .Values.autoscaling.scaleUp -}}
{{- $down := .Values.autoscaling.scaleDown -}}
scaleUp:
  stabilizationWindowSeconds: {{ $up.stabilizationSeconds }}
  selectPolicy: Max
  policies:
    - type: Pods
      value: {{ $up.pods }}
      periodSeconds: {{ $up.periodSeconds }}
    - type: Percent
      value: {{ $up.percent }}
      periodSeconds: {{ $up.periodSeconds }}
scaleDown:
  stabilizationWindowSeconds: {{ $down.stabilizationSeconds }}
  selectPolicy: Min
  policies:
    - type: Pods
      value: {{ $down.pods }}
      periodSeconds: {{ $down.periodSeconds }}
{{- end }}
