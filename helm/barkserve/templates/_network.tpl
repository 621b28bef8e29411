{{/* Parts of several network templates. */}}

{{- define "barkserve.dnsEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{- define "barkserve.httpsEgress" -}}
# The hub that the init container fetches from, or the voice store.
- ports:
    - port: 443
{{- end }}

{{/* What clients reach, by the name of its Service: the orchestrator, and the HTTP gateway. Without hosts there is no
     Ingress and no route. */}}
{{- define "barkserve.exposed" -}}
{{- $exposure := .Values.exposure -}}
{{- $name := include "barkserve.fullname" . -}}
{{- $grpc := dict "component" "orchestrator" "protocol" "grpc" "service" $exposure.service -}}
{{- $_ := set $grpc "host" $exposure.ingress.host -}}
{{- $_ := set $grpc "tlsSecret" $exposure.ingress.tlsSecret -}}
{{- $_ := set $grpc "hostnames" $exposure.gateway.hostnames -}}
{{- $_ := set $grpc "route" "GRPCRoute" -}}
{{- $exposed := dict $name $grpc -}}
{{- if .Values.services.gateway.enabled -}}
{{- $http := dict "component" "gateway" "protocol" "http" "service" $exposure.http.service -}}
{{- $_ := set $http "host" $exposure.http.host -}}
{{- $_ := set $http "tlsSecret" $exposure.http.tlsSecret -}}
{{- $_ := set $http "hostnames" (compact (list $exposure.http.host)) -}}
{{- $_ := set $http "route" (ternary "HTTPRoute" "" (ne $exposure.http.host "")) -}}
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
