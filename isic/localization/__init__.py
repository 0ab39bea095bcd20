"""From a network to a map, from a map to a box and objects. What the paper adds lives in
`method`.
"""
