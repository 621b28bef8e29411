"""Which tensors of a checkpoint each stage needs, by the start of their names."""

PREFIXES = {
    "semantic": ("semantic.",),
    "coarse": ("coarse_acoustics.",),
    "fine": ("fine_acoustics.",),
    "codec": ("codec_model.decoder.", "codec_model.quantizer."),
}
