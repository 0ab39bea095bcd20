"""From images on a disk to batches of pixels: index, decoding, packing, sampling; `sources` reads
the layouts of data sets. No networks.
"""
