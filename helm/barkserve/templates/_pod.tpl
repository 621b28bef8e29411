{{/* Parts of a pod that several templates share. */}}

{{- define "barkserve.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "barkserve.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* service -> its probes. Startup waits for loading and warm-up. Then liveness checks whether the process is alive
     (health name ""), and readiness whether it accepts streams (its own name; it does not while draining). */}}
{{- define "barkserve.probes" -}}
startupProbe:
  {{- include "barkserve.probe" (list . "" "/healthz") | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ divf .startupSeconds 2 | ceil | int64 }}
readinessProbe:
  {{- include "barkserve.probe" (list . .health "/readyz") | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  {{- include "barkserve.probe" (list . "" "/healthz") | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* (list service health path) -> how to probe: by the name in gRPC's health service, or by a path of the gateway. */}}
{{- define "barkserve.probe" -}}
{{- $service := index . 0 -}}
{{- if $service.http -}}
httpGet:
  port: http
  path: {{ index . 2 }}
  scheme: {{ ternary "HTTPS" "HTTP" $service.tls }}
{{- else -}}
grpc:
  port: {{ $service.probePort }}
  service: {{ index . 1 | quote }}
{{- end }}
{{- end }}

{{/* service -> requests and limits, including the GPU. */}}
{{- define "barkserve.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpu.count) 0 -}}
{{- $gpu := dict .gpu.resource (.gpu.count | int) -}}
{{- $_ := set $resources "limits" (merge (dict) $gpu (get $resources "limits" | default dict)) -}}
{{- end -}}
{{- toYaml $resources }}
{{- end }}

{{/* (list $ service) -> the nodes on which it may run. */}}
{{- define "barkserve.placement" -}}
{{- $service := index . 1 -}}
{{- with $service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if ne $service.topologySpread "none" }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" (eq $service.topologySpread "hard") }}
    labelSelector:
      matchLabels:
        {{- include "barkserve.selector" (list (index $ 0) $service.name) | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $service.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end }}
