{{/* The settings of each service, merged from the values and from constants of the program (ports, health names).
     Templates pass lists and maps to each other as JSON. */}}

{{- define "barkserve.stages" -}}
["semantic", "coarse", "fine", "codec"]
{{- end }}

{{/* The services of this release. The autoscaler is needed only for KEDA. */}}
{{- define "barkserve.services" -}}
{{- $names := concat (list "orchestrator") (include "barkserve.stages" . | fromJsonArray) -}}
{{- if .Values.services.gateway.enabled }}{{ $names = append $names "gateway" }}{{ end -}}
{{- if eq .Values.autoscaling.mode "keda" }}{{ $names = append $names "autoscaler" }}{{ end -}}
{{- toJson $names }}
{{- end }}

{{/* Ports and health names: constants of the program. tests/helm checks that they equal services/barkserve/services.py. */}}
{{- define "barkserve.facts" -}}
orchestrator: {port: 50051, metricsPort: 9464, health: barkserve.v1.SpeechService}
semantic: {port: 50052, metricsPort: 9465, health: barkserve.v1.SemanticService}
coarse: {port: 50053, metricsPort: 9466, health: barkserve.v1.CoarseService}
fine: {port: 50054, metricsPort: 9467, health: barkserve.v1.FineService}
codec: {port: 50055, metricsPort: 9468, health: barkserve.v1.CodecService}
gateway: {port: 8080, metricsPort: 9470, health: ""}
autoscaler: {port: 50056, metricsPort: 9469, health: externalscaler.ExternalScaler}
{{- end }}

{{/* Options in `defaults` that only services with gRPC have. tests/helm checks that they equal services/barkserve/config/. */}}
{{- define "barkserve.grpcOptions" -}}
["keepalive-seconds", "max-connection-age-seconds", "output-idle-seconds", "reflection"]
{{- end }}

{{/* (list $ "coarse") -> the settings of a service as JSON: `defaults`, overridden by `stages` for a stage, overridden
     by its own values; plus its facts, and settings computed from both. */}}
{{- define "barkserve.service" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $stage := has $name (include "barkserve.stages" $root | fromJsonArray) -}}
{{- $service := deepCopy $root.Values.defaults -}}
{{- if $stage }}{{ $service = mergeOverwrite $service (deepCopy $root.Values.stages) }}{{ end -}}
{{- if eq $name "gateway" -}}
{{- range include "barkserve.grpcOptions" $root | fromJsonArray }}{{ $_ := unset $service.options . }}{{ end -}}
{{- end -}}
{{- $service = mergeOverwrite $service (deepCopy (index $root.Values.services $name)) -}}
{{- $service = merge $service (index (include "barkserve.facts" $root | fromYaml) $name) -}}
{{- $_ := set $service "name" $name -}}
{{- $_ := set $service "fullname" (include "barkserve.serviceName" .) -}}
{{- $_ := set $service "stage" $stage -}}
{{- $_ := set $service "cuda" (hasPrefix "cuda" (dig "options" "device" "" $service)) -}}
{{- $_ := set $service "scaled" (and (ne $root.Values.autoscaling.mode "none") (ne $name "autoscaler") $service.autoscaling.enabled) -}}
{{- $_ := set $service "findsOthers" (has $name (list "orchestrator" "autoscaler")) -}}
{{- $_ := set $service "http" (eq $name "gateway") -}}
{{- $_ := set $service "protocol" (ternary "http" "grpc" $service.http) -}}
{{- $_ := set $service "tls" $root.Values.tls.enabled -}}
{{- /* Kubernetes' gRPC probes do not support TLS. */}}
{{- $_ := set $service "probePort" (ternary 50060 $service.port $root.Values.tls.enabled) -}}
{{- toJson $service }}
{{- end }}

{{/* (list $ service) -> the image; its variant depends on the device. */}}
{{- define "barkserve.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{- $variant := ternary "cuda" "cpu" (index . 1).cuda -}}
{{- printf "%s:%s" $image.repository ($image.tag | default (printf "%s-%s" (index . 0).Chart.AppVersion $variant)) }}
{{- end }}
{{- end }}

{{/* A value in the form that the program reads: whole numbers have no exponent. */}}
{{- define "barkserve.word" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* (list $ service) -> the arguments after `barkserve`. */}}
{{- define "barkserve.args" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
- {{ $service.name }}
- --host=0.0.0.0
- --port={{ $service.port }}
- --metrics-port={{ $service.metricsPort }}
- --drain-seconds={{ include "barkserve.word" $service.drainSeconds }}
{{- with include "barkserve.checkpoint" . }}
- --checkpoint={{ . }}
{{- end }}
{{- if $service.findsOthers }}
{{- $others := include "barkserve.stages" $root | fromJsonArray }}
{{- if eq $service.name "autoscaler" }}{{ $others = prepend $others "orchestrator" }}{{ end }}
{{- range $others }}
- --{{ . }}={{ include "barkserve.address" (list $root .) }}
{{- end }}
{{- end }}
{{- if $service.http }}
- --orchestrator={{ include "barkserve.serviceName" (list $root "orchestrator") }}.{{ $root.Release.Namespace }}.svc:{{ (index (include "barkserve.facts" $root | fromYaml) "orchestrator").port }}
{{- end }}
{{- if and (eq $service.name "orchestrator") (ne $root.Values.voices.store "none") }}
- --voice-store={{ eq $root.Values.voices.store "volume" | ternary "/voices" $root.Values.voices.url }}
{{- end }}
{{- if $root.Values.tls.enabled }}
- --tls-cert=/tls/tls.crt
- --tls-key=/tls/tls.key
- --tls-ca=/tls/ca.crt
{{- if not $service.http }}
- --health-port={{ $service.probePort }}
{{- with include "barkserve.certificateRoles" . }}
- --certificate-roles={{ . }}
{{- end }}
{{- end }}
{{- if eq $service.name "orchestrator" }}
- --tls-clients={{ $root.Values.tls.clients }}
{{- end }}
{{- end }}
{{- range $option, $value := $service.options }}
{{- if kindIs "bool" $value }}
{{- if $value }}
- --{{ $option }}
{{- end }}
{{- else if ne (toString $value) "" }}
- {{ printf "--%s=%s" $option (include "barkserve.word" $value) | quote }}
{{- end }}
{{- end }}
{{- range $service.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* (list $ service) -> who may call it, by the names in certificates. Empty: every certificate of the authority may. */}}
{{- define "barkserve.certificateRoles" -}}
{{- $root := index . 0 -}}
{{- $service := index . 1 -}}
{{- if not $service.stage -}}
{{- $root.Values.tls.roles }}
{{- if and $root.Values.tls.roles (eq $service.name "orchestrator") $root.Values.services.gateway.enabled -}}
{{- $gateway := include "barkserve.identity" (list $root "gateway") -}}
{{- $requiresTokens := index (include "barkserve.service" (list $root "gateway") | fromJson).options "require-tokens" -}}
,forward={{ $gateway }}{{ if not $requiresTokens }},speak={{ $gateway }}{{ end }}
{{- end }}
{{- else -}}
call-stages={{ include "barkserve.identity" (list $root "orchestrator") }}
{{- if has "autoscaler" (include "barkserve.services" $root | fromJsonArray) }},operate={{ include "barkserve.identity" (list $root "autoscaler") }}{{ end }}
{{- end }}
{{- end }}

{{/* (list $ "orchestrator") -> the name in its certificate by which stages know it. */}}
{{- define "barkserve.identity" -}}
{{- $root := index . 0 -}}
{{- index $root.Values.tls.identities (index . 1) | default (printf "%s.%s.svc" (include "barkserve.serviceName" .) $root.Release.Namespace) }}
{{- end }}

{{/* (list $ "coarse") -> the option value that says where the replicas of a service are. */}}
{{- define "barkserve.address" -}}
{{- $root := index . 0 -}}
{{- $name := include "barkserve.serviceName" . -}}
{{- if eq $root.Values.discovery "kubernetes" -}}
kubernetes:{{ $name }}
{{- else -}}
dns:{{ $name }}.{{ $root.Release.Namespace }}.svc:{{ (index (include "barkserve.facts" $root | fromYaml) (index . 1)).port }}
{{- end }}
{{- end }}

{{/* service -> seconds for preStop and drain, and 10 more to end. Kubernetes kills the pod after this time. */}}
{{- define "barkserve.grace" -}}
{{- add (ceil .preStopSeconds | int64) (ceil .drainSeconds | int64) 10 }}
{{- end }}
