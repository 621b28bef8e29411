{{/* Parts of several network templates. */}}

{{- define "barkserve.dnsEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{/* (list $ service) -> the services of this release that it calls. */}}
{{- define "barkserve.callees" -}}
{{- $callees := list -}}
{{- if (index . 1).findsOthers }}{{ $callees = include "barkserve.stages" (index . 0) | fromJsonArray }}{{ end -}}
{{- if has (index . 1).name (list "autoscaler" "gateway") }}{{ $callees = prepend $callees "orchestrator" }}{{ end -}}
{{- toJson $callees }}
{{- end }}

{{/* $ -> the services that `helm test` calls. It has no token. */}}
{{- define "barkserve.testedServices" -}}
{{- $gateway := include "barkserve.service" (list . "gateway") | fromJson -}}
{{- $tested := list "orchestrator" -}}
{{- if and .Values.services.gateway.enabled (not (index $gateway.options "require-tokens")) }}{{ $tested = append $tested "gateway" }}{{ end -}}
{{- toJson $tested }}
{{- end }}

{{/* (list $ service) -> the ports that it calls outside the cluster. */}}
{{- define "barkserve.outsidePorts" -}}
{{- $values := (index . 0).Values -}}
{{- $urls := list -}}
{{- if and (index . 1).fetches (eq $values.weights.source "hub") }}{{ $urls = append $urls ($values.weights.hub.endpoint | default "https:") }}{{ end -}}
{{- if eq (index . 1).name "orchestrator" -}}
{{- if eq $values.voices.store "url" }}{{ $urls = append $urls "https:" }}{{ end -}}
{{- $keys := get (index . 1).options "auth-jwks" -}}
{{- if hasPrefix "http" $keys }}{{ $urls = append $urls $keys }}{{ end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $urls -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" | default (ternary "80" "443" (hasPrefix "http:" .)) | int) -}}
{{- end -}}
{{- toJson (uniq $ports) }}
{{- end }}

{{/* What clients reach, by the name of its Service: the orchestrator, and the HTTP gateway. Without hosts there is no
     Ingress and no route. kgateway has timeouts for an HTTPRoute only; the appProtocol h2c makes it fit for gRPC. */}}
{{- define "barkserve.exposed" -}}
{{- $exposure := .Values.exposure -}}
{{- $name := include "barkserve.fullname" . -}}
{{- $grpc := dict "component" "orchestrator" "protocol" "grpc" "service" $exposure.service -}}
{{- $_ := set $grpc "host" $exposure.ingress.host -}}
{{- $_ := set $grpc "tlsSecret" $exposure.ingress.tlsSecret -}}
{{- $_ := set $grpc "hostnames" $exposure.gateway.hostnames -}}
{{- $_ := set $grpc "route" (ternary "HTTPRoute" "GRPCRoute" (and (eq $exposure.gateway.implementation "kgateway") (not .Values.tls.enabled))) -}}
{{- $_ := set $grpc "rules" $exposure.gateway.rules -}}
{{- $_ := set $grpc "filters" $exposure.gateway.filters -}}
{{- $exposed := dict $name $grpc -}}
{{- if .Values.services.gateway.enabled -}}
{{- $http := dict "component" "gateway" "protocol" "http" "service" $exposure.http.service -}}
{{- $_ := set $http "host" $exposure.http.host -}}
{{- $_ := set $http "tlsSecret" $exposure.http.tlsSecret -}}
{{- $_ := set $http "hostnames" (compact (list $exposure.http.host)) -}}
{{- $_ := set $http "route" (ternary "HTTPRoute" "" (ne $exposure.http.host "")) -}}
{{- $_ := set $http "rules" $exposure.http.rules -}}
{{- $_ := set $http "filters" $exposure.http.filters -}}
{{- $_ := set $exposed (printf "%s-http" $name) $http -}}
{{- if $exposure.wyoming.enabled -}}
{{- $wyoming := dict "component" "gateway" "protocol" "wyoming" "service" $exposure.wyoming.service "host" "" "route" "" -}}
{{- $_ := set $exposed (printf "%s-wyoming" $name) $wyoming -}}
{{- end -}}
{{- end -}}
{{- toJson $exposed }}
{{- end }}

{{/* (list $ exposed) -> annotations that ingress controllers read on the Service. */}}
{{- define "barkserve.serviceAnnotations" -}}
{{- $root := index . 0 -}}
{{- if and (eq $root.Values.exposure.type "ingress") (eq $root.Values.exposure.ingress.controller "traefik") }}
traefik.ingress.kubernetes.io/service.serversscheme: {{ ternary "https" (ternary "h2c" "http" (eq (index . 1).protocol "grpc")) $root.Values.tls.enabled }}
{{- end }}
{{- end }}

{{/* (list $ exposed) -> annotations that ingress controllers read on the Ingress. WebSockets count as streams. */}}
{{- define "barkserve.ingressAnnotations" -}}
{{- $root := index . 0 -}}
{{- $grpc := eq (index . 1).protocol "grpc" -}}
{{- $tls := $root.Values.tls.enabled -}}
{{- $seconds := $root.Values.exposure.streamTimeoutSeconds | int64 -}}
{{- if eq $root.Values.exposure.ingress.controller "nginx" }}
nginx.ingress.kubernetes.io/backend-protocol: {{ ternary "GRPC" "HTTP" $grpc }}{{ if $tls }}S{{ end }}
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-body-size: {{ ternary "0" "8m" $grpc | quote }}
nginx.ingress.kubernetes.io/proxy-buffering: "off"
{{- else if eq $root.Values.exposure.ingress.controller "alb" }}
alb.ingress.kubernetes.io/backend-protocol: {{ ternary "HTTPS" "HTTP" $tls }}
alb.ingress.kubernetes.io/backend-protocol-version: {{ ternary "GRPC" "HTTP1" $grpc }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/healthcheck-path: {{ ternary "/grpc.health.v1.Health/Check" "/readyz" $grpc }}
alb.ingress.kubernetes.io/success-codes: {{ ternary "0" "200" $grpc | quote }}
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $seconds }}
{{- end }}
{{- end }}
