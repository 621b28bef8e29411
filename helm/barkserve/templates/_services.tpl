{{/* The settings of each service, merged from the values and from constants of the program (ports, health names).
     Templates pass lists and maps to each other as JSON. */}}

{{- define "barkserve.stages" -}}
["semantic", "coarse", "fine", "codec"]
{{- end }}

{{/* The services of this release. The autoscaler is needed for KEDA and for external metrics. */}}
{{- define "barkserve.services" -}}
{{- $names := concat (list "orchestrator") (include "barkserve.stages" . | fromJsonArray) -}}
{{- if .Values.services.gateway.enabled }}{{ $names = append $names "gateway" }}{{ end -}}
{{- $scaling := .Values.autoscaling -}}
{{- if or (eq $scaling.mode "keda") (and (eq $scaling.mode "hpa") (eq $scaling.hpa.metric "External")) }}{{ $names = append $names "autoscaler" }}{{ end -}}
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

{{/* (list base layer) -> base overridden by layer, as JSON: maps are merged, null removes a key, all else replaces. */}}
{{- define "barkserve.overlay" -}}
{{- $result := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $result $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $result $key)) -}}
{{- $_ := set $result $key (include "barkserve.overlay" (list (get $result $key) $value) | fromJson) -}}
{{- else -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $result }}
{{- end }}

{{/* (list $ "coarse") -> the settings of a service as JSON: `defaults`, overridden by `stages` for a stage, overridden
     by its own values; plus its facts, and settings computed from both. */}}
{{- define "barkserve.service" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $stage := has $name (include "barkserve.stages" $root | fromJsonArray) -}}
{{- $service := deepCopy $root.Values.defaults -}}
{{- if $stage }}{{ $service = include "barkserve.overlay" (list $service $root.Values.stages) | fromJson }}{{ end -}}
{{- if eq $name "gateway" -}}
{{- range include "barkserve.grpcOptions" $root | fromJsonArray }}{{ $_ := unset $service.options . }}{{ end -}}
{{- end -}}
{{- $service = include "barkserve.overlay" (list $service (index $root.Values.services $name)) | fromJson -}}
{{- $service = merge $service (index (include "barkserve.facts" $root | fromYaml) $name) -}}
{{- $_ := set $service "name" $name -}}
{{- $_ := set $service "fullname" (include "barkserve.serviceName" .) -}}
{{- $_ := set $service "account" (include "barkserve.accountName" (list $root $service)) -}}
{{- $_ := set $service "stage" $stage -}}
{{- $_ := set $service "cuda" (hasPrefix "cuda" (dig "options" "device" "" $service)) -}}
{{- $_ := set $service "scaled" (and (ne $root.Values.autoscaling.mode "none") (ne $name "autoscaler") $service.autoscaling.enabled) -}}
{{- $_ := set $service "findsOthers" (has $name (list "orchestrator" "autoscaler")) -}}
{{- $_ := set $service "http" (eq $name "gateway") -}}
{{- $_ := set $service "protocol" (ternary "http" "grpc" $service.http) -}}
{{- $_ := set $service "wyomingPort" (ternary 10200 0 (and $service.http $root.Values.exposure.wyoming.enabled)) -}}
{{- $_ := set $service "tls" $root.Values.tls.enabled -}}
{{- $_ := set $service "fetches" (eq (include "barkserve.fetches" (list $root $service)) "true") -}}
{{- /* Kubernetes' gRPC probes do not support TLS. */}}
{{- $_ := set $service "probePort" (ternary 50060 $service.port $root.Values.tls.enabled) -}}
{{- toJson $service }}
{{- end }}

{{/* (list $ service) -> the image: that of the service, else that of its device's variant, else the common one. A tag
     of a service or a variant wins over a common digest. */}}
{{- define "barkserve.image" -}}
{{- $common := (index . 0).Values.image -}}
{{- $variant := ternary "cuda" "cpu" (index . 1).cuda -}}
{{- $image := dict "registry" ((index . 0).Values.global.imageRegistry | default $common.registry) "repository" $common.repository "tag" $common.tag "digest" $common.digest -}}
{{- range list (index $common.variants $variant) (index . 1).image -}}
{{- if and .tag (not .digest) }}{{ $_ := set $image "digest" "" }}{{ end -}}
{{- range $key, $value := pick . "registry" "repository" "tag" "digest" -}}
{{- if $value }}{{ $_ := set $image $key $value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest }}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default (printf "%s-%s" (index . 0).Chart.AppVersion $variant)) }}
{{- end -}}
{{- end }}

{{/* (list $ service) -> when its image is pulled. */}}
{{- define "barkserve.pullPolicy" -}}
{{- (index . 1).image.pullPolicy | default (index . 0).Values.image.pullPolicy }}
{{- end }}

{{- define "barkserve.pullSecrets" -}}
{{- $secrets := concat (.Values.global.imagePullSecrets | default list) .Values.image.pullSecrets -}}
{{- with $secrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* (list $ service) -> the name of its ServiceAccount. */}}
{{- define "barkserve.accountName" -}}
{{- $account := (index . 1).serviceAccount -}}
{{- $account.name | default (ternary (include "barkserve.serviceName" (list (index . 0) (index . 1).name)) "default" $account.create) }}
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
- --host={{ $root.Values.listen }}
- --port={{ $service.port }}
- --metrics-port={{ $service.metricsPort }}
- --drain-seconds={{ include "barkserve.word" $service.drainSeconds }}
{{- with include "barkserve.checkpoint" . }}
- --checkpoint={{ . }}
{{- end }}
{{- if $service.findsOthers }}
{{- range include "barkserve.callees" . | fromJsonArray }}
- --{{ . }}={{ include "barkserve.address" (list $root .) }}
{{- end }}
{{- end }}
{{- with include "barkserve.replicaWait" . }}
- --replica-wait-seconds={{ . }}
{{- end }}
{{- if $service.http }}
- --orchestrator={{ include "barkserve.serviceName" (list $root "orchestrator") }}.{{ $root.Release.Namespace }}.svc:{{ (index (include "barkserve.facts" $root | fromYaml) "orchestrator").port }}
{{- with $service.wyomingPort }}
- --wyoming-port={{ . }}
- --wyoming-host={{ $root.Values.listen }}
{{- end }}
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

{{/* (list $ service) -> seconds for which the orchestrator waits for a stage that starts from zero replicas or whose only
     replica is replaced: the longest start of a stage. Empty if the option is set, or for other services. */}}
{{- define "barkserve.replicaWait" -}}
{{- $root := index . 0 -}}
{{- if and (eq (index . 1).name "orchestrator") (not (hasKey (index . 1).options "replica-wait-seconds")) -}}
{{- $longest := 60 -}}
{{- range include "barkserve.stages" $root | fromJsonArray -}}
{{- $stage := include "barkserve.service" (list $root .) | fromJson -}}
{{- $alone := or (and $stage.scaled (eq (int $stage.autoscaling.minReplicas) 0)) (and (not $stage.scaled) (eq (int $stage.replicas) 1)) -}}
{{- if and $alone (gt (int $stage.startupSeconds) $longest) }}{{ $longest = int $stage.startupSeconds }}{{ end -}}
{{- end -}}
{{- $longest }}
{{- end -}}
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

{{/* service -> seconds after which a rollout without progress counts as failed. A download does not count as progress, so
     that pods that fetch a checkpoint get half an hour more. */}}
{{- define "barkserve.progressDeadline" -}}
{{- .progressDeadlineSeconds | default (add (ceil .startupSeconds | int64) (ternary 1800 120 .fetches)) | int64 }}
{{- end }}
