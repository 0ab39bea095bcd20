"""The one training loop and what it needs: checkpoints, devices, several processes, curves; and a
network applied to many images. No loss of a method.
"""
