"""The networks, and the files that hold them. How they are trained or used lives above."""
