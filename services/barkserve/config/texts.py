"""Values and parts of help texts that several options share."""

PORT = "port to listen on; 0 takes a free one"
METRICS_PORT = "port of the Prometheus endpoint /metrics; 0 disables it"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "text", "json")
VOICE_STORE = (
    "folder or fsspec URL of created voices, the same for all replicas (s3:// needs s3fs, gs:// "
    "needs gcsfs); "
)
LEXICON = "TOML file with the readings of words, read again when it changes; empty means none"
TRUSTED_PROXIES = (
    "addresses and networks of proxies{} whose X-Forwarded-For names the caller, separated by "
    "commas; empty means none"
)
LOOPBACK = "127.0.0.0/8,::1"
REPLICAS = (
    "replicas of the {}: HOST:PORT,... or static:HOST:PORT,... or dns:NAME:PORT or "
    "kubernetes:SERVICE[.NAMESPACE][:PORT]"
)
