{{/* Parts of a pod that several templates share. */}}

{{/* service -> its probes. Startup waits for loading and warm-up. Then liveness checks whether the process is alive
     (health name ""), and readiness whether it accepts streams (its own name; it does not while draining). */}}
{{- define "barkserve.probes" -}}
{{- $startup := dict "periodSeconds" 2 "timeoutSeconds" 5 "failureThreshold" (divf .startupSeconds 2 | ceil | int64) -}}
{{- $readiness := dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 2 -}}
{{- $liveness := dict "periodSeconds" 10 "timeoutSeconds" 10 "failureThreshold" 6 -}}
startupProbe:
  {{- include "barkserve.probe" (list . "" "/healthz" $startup .probes.startup) | nindent 2 }}
readinessProbe:
  {{- include "barkserve.probe" (list . .health "/readyz" $readiness .probes.readiness) | nindent 2 }}
livenessProbe:
  {{- include "barkserve.probe" (list . "" "/healthz" $liveness .probes.liveness) | nindent 2 }}
{{- end }}

{{/* (list service health path times values) -> how to probe: by the name in gRPC's health service, or by a path of the
     gateway. */}}
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
{{- range $key, $value := include "barkserve.overlay" (list (index . 3) (index . 4)) | fromJson }}
{{ $key }}: {{ $value }}
{{- end }}
{{- end }}

{{/* service -> requests and limits, including the GPU and its claims. */}}
{{- define "barkserve.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpu.count) 0 -}}
{{- $gpu := dict .gpu.resource (.gpu.count | int) -}}
{{- $_ := set $resources "limits" (merge (dict) $gpu (get $resources "limits" | default dict)) -}}
{{- end -}}
{{- $claims := list -}}
{{- range include "barkserve.resourceClaims" . | fromJsonArray }}{{ $claims = append $claims (dict "name" .name) }}{{ end -}}
{{- if $claims }}{{ $_ := set $resources "claims" $claims }}{{ end -}}
{{- toYaml $resources }}
{{- end }}

{{/* service -> the pod's resource claims (DRA): those of the values, and the one of gpu.claimTemplate. */}}
{{- define "barkserve.resourceClaims" -}}
{{- $claims := .gpu.resourceClaims -}}
{{- if .gpu.claimTemplate }}{{ $claims = append $claims (dict "name" "gpu" "resourceClaimTemplateName" (printf "%s-gpu" .fullname)) }}{{ end -}}
{{- toJson $claims }}
{{- end }}

{{/* service -> variables that its container needs besides those of the values. */}}
{{- define "barkserve.env" -}}
{{- $env := list -}}
{{- if .gpu.unaccounted -}}
{{- /* Without a request, no device plugin tells the NVIDIA runtime which GPUs the container may see. */}}
{{- $env = append $env (dict "name" "NVIDIA_VISIBLE_DEVICES" "value" "all") -}}
{{- $env = append $env (dict "name" "NVIDIA_DRIVER_CAPABILITIES" "value" "compute,utility") -}}
{{- end -}}
{{- if eq .gpu.sharing "mps" -}}
{{- with .gpu.mps.memoryLimit }}{{ $env = append $env (dict "name" "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" "value" (printf "0=%s" .)) }}{{ end -}}
{{- with .gpu.mps.threadPercent }}{{ $env = append $env (dict "name" "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" "value" (toString .)) }}{{ end -}}
{{- end -}}
{{- toYaml (concat $env .env) }}
{{- end }}

{{/* (list $ service) -> the nodes on which it may run. */}}
{{- define "barkserve.placement" -}}
{{- $service := index . 1 -}}
{{- $selector := deepCopy $service.nodeSelector -}}
{{- if ne $service.gpu.sharing "none" -}}
{{- /* GPU feature discovery sets this label. */}}
{{- $selector = merge $selector (dict "nvidia.com/gpu.sharing-strategy" (ternary "mps" "time-slicing" (eq $service.gpu.sharing "mps"))) -}}
{{- end -}}
{{- with $selector }}
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
{{- with $service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $service.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $service.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- end }}

{{/* (list $ service) -> how replicas spread. Nodes without a zone label must not block a release, so zones are always
     soft. Only pods of the same rollout count: otherwise the old ones would keep new ones from their nodes. */}}
{{- define "barkserve.spread" -}}
{{- $service := index . 1 -}}
{{- $constraints := $service.topologySpreadConstraints -}}
{{- if and (not $constraints) (ne $service.topologySpread "none") -}}
{{- range $key, $action := dict "kubernetes.io/hostname" (ternary "DoNotSchedule" "ScheduleAnyway" (eq $service.topologySpread "hard")) "topology.kubernetes.io/zone" "ScheduleAnyway" -}}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" $key "whenUnsatisfiable" $action "matchLabelKeys" (list "pod-template-hash") "nodeTaintsPolicy" "Honor") -}}
{{- end -}}
{{- end -}}
{{- with $constraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ merge (dict) . (dict "labelSelector" (dict "matchLabels" (include "barkserve.selector" (list (index $ 0) $service.name) | fromYaml))) | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}

{{/* service -> settings of the pod that are written as they are in the values. */}}
{{- define "barkserve.podExtras" -}}
{{- with include "barkserve.resourceClaims" . | fromJsonArray }}
resourceClaims:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if hasKey . "hostUsers" }}
hostUsers: {{ .hostUsers }}
{{- end }}
{{- with .dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* service -> the pod's annotations. The cluster autoscaler may remove a node whose pods have only volumes that can be
     made again. */}}
{{- define "barkserve.podAnnotations" -}}
{{- $volumes := list "tmp" -}}
{{- if .fetches }}{{ $volumes = append $volumes "weights" }}{{ end -}}
{{- toYaml (merge (dict) .podAnnotations (dict "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes" (join "," $volumes))) }}
{{- end }}
