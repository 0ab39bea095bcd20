"""Every setting, declared once (`sections`), and what follows: the check of a configuration, the
grammar of arms and runs, and the files and options of each job. Needs no numpy and no torch: the
Snakefile reads it at every start.
"""
