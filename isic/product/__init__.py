"""What people use: boxes and masks of new images, exports, a look at a folder and at pseudo-
masks.
"""
