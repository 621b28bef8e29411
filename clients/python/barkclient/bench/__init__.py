"""Load benchmark of a server: time to first audio, underruns and throughput."""
