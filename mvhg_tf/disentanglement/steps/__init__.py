"""The steps of a model's life, which the programs run.

It is trained, exported, post-processed, evaluated and drawn, and results are collected.
"""
