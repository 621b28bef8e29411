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

{{/* Annotations that ingress controllers read on the Service. */}}
{{- define "barkserve.serviceAnnotations" -}}
{{- if and (eq .Values.exposure.type "ingress") (eq .Values.exposure.ingress.controller "traefik") }}
traefik.ingress.kubernetes.io/service.serversscheme: {{ ternary "https" "h2c" .Values.tls.enabled }}
{{- end }}
{{- end }}

{{/* Annotations that ingress controllers read on the Ingress. */}}
{{- define "barkserve.ingressAnnotations" -}}
{{- $seconds := .Values.exposure.streamTimeoutSeconds | int64 -}}
{{- if eq .Values.exposure.ingress.controller "nginx" }}
nginx.ingress.kubernetes.io/backend-protocol: {{ ternary "GRPCS" "GRPC" .Values.tls.enabled }}
nginx.ingress.kubernetes.io/proxy-read-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-send-timeout: {{ $seconds | quote }}
nginx.ingress.kubernetes.io/proxy-body-size: "0"
nginx.ingress.kubernetes.io/proxy-buffering: "off"
{{- else if eq .Values.exposure.ingress.controller "alb" }}
alb.ingress.kubernetes.io/backend-protocol-version: GRPC
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/healthcheck-path: /grpc.health.v1.Health/Check
alb.ingress.kubernetes.io/success-codes: "0"
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ $seconds }}
{{- end }}
{{- end }}
