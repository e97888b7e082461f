"""The benchmark: this gateway beside what people write today, in one interleaved run (`make bench`)."""
