{{/* Checks that a schema cannot express: values that contradict each other. One message lists all, with their keys. */}}

{{- define "barkserve.validate" -}}
{{- $complaints := concat
      (include "barkserve.complaintsOfServices" . | fromJsonArray)
      (include "barkserve.complaintsOfRelease" . | fromJsonArray) -}}
{{- if $complaints }}
{{- fail (printf "\n\nThese values do not fit together:\n  - %s\n" (join "\n  - " $complaints)) }}
{{- end }}
{{- end }}

{{- define "barkserve.complaintsOfServices" -}}
{{- $complaints := list -}}
{{- range $name := include "barkserve.services" . | fromJsonArray -}}
{{- $service := include "barkserve.service" (list $ $name) | fromJson -}}
{{- $key := printf "services.%s" $name -}}
{{- $dtype := dig "options" "dtype" "auto" $service -}}
{{- if and (gt (int $service.gpu.count) 0) (not $service.cuda) -}}
{{- $complaints = append $complaints (printf "%s.gpu.count is %d but options.device is not cuda: the GPU would be idle" $key (int $service.gpu.count)) -}}
{{- end -}}
{{- $claims := or $service.gpu.resourceClaims $service.gpu.claimTemplate -}}
{{- if and $service.cuda (eq (int $service.gpu.count) 0) (not $claims) (not $service.gpu.unaccounted) -}}
{{- $complaints = append $complaints (printf "%s.options.device is cuda but gpu.count is 0: request a GPU, claim one with gpu.resourceClaims, or set gpu.unaccounted where pods can use it without a request" $key) -}}
{{- end -}}
{{- if and $claims (or (not $service.cuda) (gt (int $service.gpu.count) 0)) -}}
{{- $complaints = append $complaints (printf "%s.gpu has claims: set options.device cuda and gpu.count 0" $key) -}}
{{- end -}}
{{- if and (ne $service.gpu.sharing "mps") (or $service.gpu.mps.memoryLimit (gt (int $service.gpu.mps.threadPercent) 0)) -}}
{{- $complaints = append $complaints (printf "%s.gpu.mps has limits but gpu.sharing is %s: set it to mps" $key $service.gpu.sharing) -}}
{{- end -}}
{{- if and (eq (dig "options" "attention" "" $service) "flash") (or (not $service.cuda) (has $dtype (list "float32" "int8"))) -}}
{{- $complaints = append $complaints (printf "%s.options.attention flash needs device cuda and dtype float16 or bfloat16" $key) -}}
{{- end -}}
{{- if and (gt (float64 (dig "options" "offload-idle-seconds" 0 $service)) 0.0) (not $service.cuda) -}}
{{- $complaints = append $complaints (printf "%s.options.offload-idle-seconds needs device cuda: on a CPU the model is in host memory already" $key) -}}
{{- end -}}
{{- if and $service.cuda (eq $dtype "int8") -}}
{{- $complaints = append $complaints (printf "%s.options.dtype int8 needs device cpu: on a GPU use float16 or bfloat16" $key) -}}
{{- end -}}
{{- if and (eq (toString $service.strategy.maxSurge) "0") (eq (toString $service.strategy.maxUnavailable) "0") -}}
{{- $complaints = append $complaints (printf "%s.strategy: maxSurge and maxUnavailable cannot both be 0" $key) -}}
{{- end -}}
{{- if $service.scaled -}}
{{- if gt (int $service.autoscaling.minReplicas) (int $service.autoscaling.maxReplicas) -}}
{{- $complaints = append $complaints (printf "%s.autoscaling: minReplicas %d is above maxReplicas %d" $key (int $service.autoscaling.minReplicas) (int $service.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and (eq (int $service.autoscaling.minReplicas) 0) (or (not $service.stage) (and (eq $.Values.autoscaling.mode "hpa") (ne $.Values.autoscaling.hpa.metric "External"))) -}}
{{- $complaints = append $complaints (printf "%s.autoscaling.minReplicas is 0: only stages, and only with autoscaling.mode keda or autoscaling.hpa.metric External, scale to zero" $key) -}}
{{- end -}}
{{- if and (not $service.stage) (not (dig "requests" "cpu" "" $service.resources)) -}}
{{- $complaints = append $complaints (printf "%s.resources.requests.cpu is missing: autoscaling is relative to it" $key) -}}
{{- end -}}
{{- end -}}
{{- if not (dig "options" "insecure" false $service) -}}
{{- if not $.Values.tls.enabled -}}
{{- $complaints = append $complaints (printf "%s.options.insecure is false but tls.enabled is false: the service would refuse to start" $key) -}}
{{- else if and (eq $name "orchestrator") (eq $.Values.tls.clients "anyone") (not (or (get $service.options "auth-tokens") (get $service.options "auth-jwks"))) -}}
{{- $complaints = append $complaints (printf "%s.options.insecure is false but tls.clients is anyone: the service would refuse to start without authentication" $key) -}}
{{- end -}}
{{- end -}}
{{- if and $service.http (not (dig "options" "insecure" false $service)) (not (dig "options" "require-tokens" false $service)) -}}
{{- $complaints = append $complaints "services.gateway.options.insecure is false but require-tokens is too: the service would refuse to start without authentication; set one of them, or services.gateway.enabled false" -}}
{{- end -}}
{{- if and $service.wyomingPort (not (dig "options" "insecure" false $service)) -}}
{{- $complaints = append $complaints "exposure.wyoming.enabled needs services.gateway.options.insecure: Wyoming has no tokens and no encryption" -}}
{{- end -}}
{{- if and $service.http (dig "options" "require-tokens" false $service) -}}
{{- $orchestrator := (include "barkserve.service" (list $ "orchestrator") | fromJson).options -}}
{{- if not (or (get $orchestrator "auth-tokens") (get $orchestrator "auth-jwks")) -}}
{{- $complaints = append $complaints "services.gateway.options.require-tokens needs services.orchestrator.options.auth-tokens or auth-jwks: the orchestrator checks the tokens" -}}
{{- end -}}
{{- end -}}
{{- if and $.Values.tls.enabled (eq $.Values.tls.source "secret") (not (index $.Values.tls.secrets $name)) -}}
{{- $complaints = append $complaints (printf "tls.secrets.%s is missing: tls.source secret needs one for every service" $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $complaints }}
{{- end }}

{{- define "barkserve.complaintsOfRelease" -}}
{{- $complaints := list -}}
{{- $weights := .Values.weights -}}
{{- if and (eq $weights.source "hub") (not $weights.hub.name) -}}
{{- $complaints = append $complaints "weights.hub.name is missing: weights.source hub needs one, such as suno/bark-small" -}}
{{- end -}}
{{- if and (eq $weights.source "volume") (eq (empty $weights.volume.claimName) (empty $weights.volume.spec)) -}}
{{- $complaints = append $complaints "weights.volume.claimName is missing: weights.source volume needs the claim that holds the checkpoint, or weights.volume.spec, and not both" -}}
{{- end -}}
{{- $cache := $weights.hub.cache -}}
{{- if and (eq $weights.source "hub") (eq $cache.type "pvc") (not $cache.existingClaim) (ne $cache.accessMode "ReadWriteMany") -}}
{{- range $name := include "barkserve.stages" . | fromJsonArray -}}
{{- $service := include "barkserve.service" (list $ $name) | fromJson -}}
{{- $pods := ternary (int $service.autoscaling.maxReplicas) (int $service.replicas) $service.scaled -}}
{{- if or (eq $cache.accessMode "ReadWriteOncePod") (and (gt $pods 1) (not (omit $service.nodeSelector "kubernetes.io/os" "kubernetes.io/arch"))) -}}
{{- $complaints = append $complaints (printf "weights.hub.cache.accessMode is %s but services.%s has up to %d pods and shares the claim with the other stages: take ReadWriteMany, or cache.type ephemeral or emptyDir" $cache.accessMode $name $pods) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.source "podCertificate") .Values.tls.enabled (not .Values.tls.podCertificate.signerName) -}}
{{- $complaints = append $complaints "tls.podCertificate.signerName is missing: tls.source podCertificate needs the signer" -}}
{{- end -}}
{{- if and (eq .Values.tls.source "volume") .Values.tls.enabled (not .Values.tls.volume) -}}
{{- $complaints = append $complaints "tls.volume is missing: tls.source volume needs a volume with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and .Values.tls.enabled (eq .Values.autoscaling.mode "keda") (has .Values.tls.source (list "podCertificate" "volume")) -}}
{{- $complaints = append $complaints (printf "tls.source is %s but autoscaling.mode is keda: KEDA reads its certificate from a Secret, so set tls.source certManager or secret" .Values.tls.source) -}}
{{- end -}}
{{- if and (eq .Values.autoscaling.mode "hpa") (eq .Values.metrics.monitor "none") -}}
{{- $complaints = append $complaints "autoscaling.mode is hpa but metrics.monitor is none: Prometheus must scrape the metric, so set metrics.monitor to service or pod" -}}
{{- end -}}
{{- if and (eq $weights.source "image") (not $weights.image.reference) -}}
{{- $complaints = append $complaints "weights.image.reference is missing: weights.source image needs the image that holds the checkpoint" -}}
{{- end -}}
{{- if and (eq .Values.voices.store "url") (not .Values.voices.url) -}}
{{- $complaints = append $complaints "voices.url is missing: voices.store url needs one, such as s3://bucket/voices" -}}
{{- end -}}
{{- if and .Values.tls.enabled (eq .Values.tls.source "certManager") (not .Values.tls.certManager.issuerRef.name) -}}
{{- $complaints = append $complaints "tls.certManager.issuerRef.name is missing: name the Issuer, or set another tls.source" -}}
{{- end -}}
{{- if and (eq .Values.exposure.type "gateway") (not .Values.exposure.gateway.parentRefs) -}}
{{- $complaints = append $complaints "exposure.gateway.parentRefs is missing: exposure.type gateway needs the Gateway to attach to" -}}
{{- end -}}
{{- if and .Values.tls.enabled (ne .Values.exposure.type "service") (ne .Values.tls.clients "anyone") -}}
{{- $complaints = append $complaints (printf "tls.clients is certificate but exposure.type is %s, and proxies present none: set tls.clients anyone" .Values.exposure.type) -}}
{{- end -}}
{{- if and .Values.tls.enabled (eq .Values.exposure.type "gateway") (not .Values.exposure.gateway.caConfigMap) -}}
{{- $complaints = append $complaints "exposure.gateway.caConfigMap is missing: with tls.enabled the gateway must trust the orchestrator's certificate" -}}
{{- end -}}
{{- if eq .Values.exposure.type "ingress" -}}
{{- range $field := eq .Values.exposure.ingress.controller "alb" | ternary (list "host") (list "host" "tlsSecret") -}}
{{- if not (index $.Values.exposure.ingress $field) -}}
{{- $complaints = append $complaints (printf "exposure.ingress.%s is missing: gRPC through an Ingress needs a host name and TLS" $field) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.services.gateway.enabled .Values.exposure.http.host (not .Values.exposure.http.tlsSecret) (ne .Values.exposure.ingress.controller "alb") -}}
{{- $complaints = append $complaints "exposure.http.tlsSecret is missing: exposure.http.host needs a certificate" -}}
{{- end -}}
{{- if and .Values.services.gateway.enabled .Values.exposure.http.host (eq .Values.exposure.http.host .Values.exposure.ingress.host) -}}
{{- $complaints = append $complaints "exposure.http.host equals exposure.ingress.host: gRPC and HTTP need host names of their own" -}}
{{- end -}}
{{- end -}}
{{- toJson $complaints }}
{{- end }}
