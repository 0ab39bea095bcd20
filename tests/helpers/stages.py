"""The commands of the stages, for the files of the fixture `good`; what they write is in OUT."""

from networks import SMALL

TRAIN = f"OUT/curves.csv --backbone {SMALL} --crop 64 --epochs 1"
UNPACK = "unpack archive OUT/source"
INDEX = "index source OUT/index.csv OUT/truth.csv"
IMAGES = "images index.csv source OUT/images.h5 --resize 64"
SIMILARITY = "similarity index.csv images.h5 OUT/similarity.h5 --crop 64"
CLASSIFIER = f"classifier index.csv images.h5 OUT/classifier.safetensors {TRAIN}"
FEATURES = "features index.csv images.h5 classifier.safetensors OUT/features.h5 --crop 64"
DIRECTIONS = "directions features.h5 OUT/directions.h5"
MASKS = "masks index.csv images.h5 features.h5 directions.h5 OUT/masks.h5"
SEGMENTER = f"segmenter index.csv images.h5 OUT/segmenter.safetensors {TRAIN} --masks masks.h5"
RECOGNIZER = f"recognizer index.csv images.h5 OUT/plain.safetensors {TRAIN} --batch-size 4"
MAPS = "maps index.csv images.h5 classifier.safetensors OUT/maps.h5 --crop 64"
SCORES = (
    "scores index.csv truth.csv topk.csv OUT/scores.json --boxes boxes.csv --crop-boxes boxes.csv "
    "--maps maps.h5 --model a --threshold-rule none --backbone b"
)
TRIVIAL = "scores index.csv truth.csv topk.csv OUT/trivial.json"
TABLE_1, TABLE_2 = "table 1 s.json OUT/t.csv", "table 2 s.json OUT/t.csv --seeds OUT/s.csv"
EXPORT = "export coco source OUT/a.json"
PREDICT = "predict classifier.safetensors"
