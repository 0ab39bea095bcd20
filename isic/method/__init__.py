"""The paper's own steps, a module each: similarity, ICFS, classifier, features, NMF, masks,
segmenter, recognizer. Functions from arrays to arrays.
"""
