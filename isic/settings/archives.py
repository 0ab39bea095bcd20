"""Where the archives of known data sets are: `source.url` and `source.checksum` by type."""

from __future__ import annotations

ARCHIVES = {
    "pets": {  # as torchvision has them: 0.8 GB and 20 MB
        "url": (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
        ),
        "checksum": (
            "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
            "md5:95a8c909bbe2e81eed6a22bccdf3f68f",
        ),
    },
}
