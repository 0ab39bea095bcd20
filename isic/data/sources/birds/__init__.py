"""The generated data set `birds`. `looks` says what a species looks like, `canvas` draws shapes,
`scene` the background, `pose` and `bird` the bird, `render` an image, `generate` all of them.

A class is a species. The species of one genus share their body to the last feather: proportions,
posture, plumage colours and pattern, wing, tail, legs. They differ in the head alone: crown, crest,
cheek, eye-stripe, throat, beak. So what tells classes apart is a small part of the object, and the
rest is common to similar classes: the case the ICFS loss (Eq. 1, Eq. 5) is made for. Genera differ
in the body. Pose, place, light and scene are drawn without a look at the class (Sections 3.3, 3.4).
"""
